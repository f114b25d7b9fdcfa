#include "database/tail_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"

namespace roxanne::database {
namespace {

// Small enough that a short tail takes little, and that chunks go as their rows are indexed.
constexpr size_t kChunkBytes = 256u << 10;
constexpr size_t kChunkRowsMin = 4;
// Reading a block instead of single rows pays from one row in so many on.
constexpr size_t kRowsPerBlockRead = 16;

// What is in both, of one chunk; null where nothing is.
std::shared_ptr<const index::LiveChunk> common_chunk(const index::LiveSet& a,
                                                     const index::LiveSet& b, size_t number) {
  const uint64_t* one = a.chunk_words(number);
  const uint64_t* other = b.chunk_words(number);
  if (one == nullptr || other == nullptr) return nullptr;
  auto chunk = std::make_shared<index::LiveChunk>();
  uint64_t any = 0;
  for (size_t i = 0; i < chunk->size(); ++i) any |= (*chunk)[i] = one[i] & other[i];
  if (any == 0) return nullptr;
  return chunk;
}

}  // namespace

struct TailRows::Chunk {
  index::MemoryReservation memory;
  base::AlignedBuffer rows;
  std::vector<uint32_t> slots;
  std::vector<uint64_t> tags;
  std::vector<uint32_t> norms;
  size_t used = 0;  // the committing thread's

  uint64_t bytes() const { return memory.bytes(); }
};

size_t TailRows::chunk_rows() const {
  return std::clamp(kChunkBytes / row_bytes_, kChunkRowsMin, kChunkRowsMax);
}

bool TailRows::begin_chunk() {
  const size_t rows = chunk_rows();
  const uint64_t bytes =
      rows * (row_bytes_ + sizeof(uint32_t) + sizeof(uint64_t) + sizeof(uint32_t));
  if (budget_ == nullptr || bytes_in_memory() + bytes > limits_.bytes || !budget_->take(bytes)) {
    return false;
  }
  auto chunk = std::make_shared<Chunk>();
  chunk->memory = index::MemoryReservation(*budget_, bytes);
  chunk->rows = base::AlignedBuffer(rows * row_bytes_);
  // At full length from the start: readers of earlier rows look at them while others are added.
  chunk->slots.resize(rows);
  chunk->tags.resize(rows);
  chunk->norms.resize(rows);
  parts_.push_back({std::move(chunk), 0, {}});
  return true;
}

bool TailRows::append(const storage::RowRef& row) {
  if (count_ >= limits_.rows) return false;
  // A chunk that another copy went on with is left alone.
  const bool has_room = !parts_.empty() && parts_.back().count == parts_.back().chunk->used &&
                        parts_.back().count < chunk_rows();
  if (!has_room && !begin_chunk()) return false;
  Part& part = parts_.back();
  Chunk& chunk = *part.chunk;
  const size_t place = chunk.used++;
  std::memcpy(chunk.rows.data() + place * row_bytes_, row.bytes, row_bytes_);
  chunk.slots[place] = row.slot;
  chunk.tags[place] = row.tag;
  chunk.norms[place] = row.norm;
  part.count = chunk.used;
  part.counts[place / 64] |= uint64_t{1} << (place % 64);
  ++count_;
  return true;
}

// A slot that comes back with another row has been out of every version's tail in between: its
// earlier row was let go of then.
void TailRows::keep_only(const index::LiveSet& slots) {
  count_ = 0;
  for (Part& part : parts_) {
    for (size_t word = 0; word * 64 < part.count; ++word) {
      for (uint64_t left = part.counts[word]; left != 0; left &= left - 1) {
        const size_t bit = static_cast<size_t>(std::countr_zero(left));
        if (!slots.contains(part.chunk->slots[word * 64 + bit])) {
          part.counts[word] &= ~(uint64_t{1} << bit);
        }
      }
      count_ += static_cast<uint64_t>(std::popcount(part.counts[word]));
    }
  }
  std::erase_if(parts_, [](const Part& part) {
    return std::all_of(part.counts.begin(), part.counts.end(),
                       [](uint64_t word) { return word == 0; });
  });
}

uint64_t TailRows::bytes_in_memory() const {
  uint64_t bytes = 0;
  for (const Part& part : parts_) bytes += part.chunk->bytes();
  return bytes;
}

std::vector<storage::RowRef> TailRows::oldest(size_t count_max) const {
  std::vector<storage::RowRef> rows;
  for (const Part& part : parts_) {
    for (size_t r = 0; r < part.count && rows.size() < count_max; ++r) {
      if (((part.counts[r / 64] >> (r % 64)) & 1) == 0) continue;
      const Chunk& chunk = *part.chunk;
      rows.push_back(
          {chunk.slots[r], chunk.tags[r], chunk.norms[r], chunk.rows.data() + r * row_bytes_});
    }
  }
  return rows;
}

index::LiveSet TailRows::slots() const {
  std::vector<uint32_t> slots;
  for (const storage::RowRef& row : oldest(count_)) slots.push_back(row.slot);
  std::sort(slots.begin(), slots.end());
  return index::set_of_slots(slots);
}

index::ScanRows TailRows::piece(size_t number) const {
  const Part& part = parts_[number];
  return {.rows = part.chunk->rows.data(),
          .row_count = part.count,
          .first_id = number * kChunkRowsMax,
          .live = part.counts.data(),
          .tags = part.chunk->tags.data(),
          .norms = part.chunk->norms.data()};
}

uint32_t TailRows::slot_of(uint64_t id) const {
  return parts_[id / kChunkRowsMax].chunk->slots[id % kChunkRowsMax];
}

void Tail::apply(const Change& change) {
  std::vector<size_t> numbers = index::LiveSet::changed_chunks(change.live_before, change.live);
  numbers.insert(numbers.end(), change.indexed_chunks.begin(), change.indexed_chunks.end());
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::vector<index::LiveSet::Change> changes;
  for (const size_t number : numbers) {
    changes.push_back({number, index::chunk_without(change.live, change.indexed, number)});
  }
  slots.set_chunks(changes);
  std::vector<uint32_t> without_room;
  for (const storage::RowRef& row : change.rows) {
    if (slots.contains(row.slot) && !rows.append(row)) without_room.push_back(row.slot);
  }
  if (!change.only_grew) {
    rows.keep_only(slots);
    changes.clear();
    for (const size_t number : on_disk.chunks()) {
      changes.push_back({number, common_chunk(on_disk, slots, number)});
    }
    on_disk.set_chunks(changes);
  }
  if (!without_room.empty()) on_disk = index::united(on_disk, index::set_of_slots(without_room));
}

Tail make_tail(const index::LiveSet& live, const index::LiveSet& indexed, TailRows rows) {
  Tail tail;
  tail.slots = index::without(live, indexed);
  rows.keep_only(tail.slots);
  tail.on_disk = index::without(tail.slots, rows.slots());
  tail.rows = std::move(rows);
  return tail;
}

Status load_rows(const index::VectorStore& vectors, const index::LiveSet& slots, TailRows& rows) {
  const storage::RowLayout& layout = vectors.file().layout();
  base::AlignedBuffer block;
  std::vector<std::byte> bytes(layout.row_bytes);
  const std::vector<uint32_t> all = index::slots_of(slots);
  for (size_t begin = 0; begin < all.size();) {
    const uint64_t number = layout.block_of(all[begin]);
    size_t end = begin;
    while (end < all.size() && layout.block_of(all[end]) == number) ++end;
    const bool reads_block = end - begin >= layout.rows_per_block / kRowsPerBlockRead;
    if (reads_block) {
      if (block.size() == 0) block = base::AlignedBuffer(layout.block_bytes);
      ROX_RETURN_IF_ERROR(vectors.read_block(number, slots, block.span()));
    }
    const storage::BlockView view(layout, block.data());
    for (; begin < end; ++begin) {
      storage::RowRef row;
      if (reads_block) {
        const size_t i = layout.index_in_block(all[begin]);
        row = {all[begin], view.tags()[i], view.norms()[i], view.row(i)};
      } else {
        ROX_ASSIGN_OR_RETURN(row, vectors.read(all[begin], bytes));
      }
      if (!rows.append(row)) return Status::ok();
    }
  }
  return Status::ok();
}

}  // namespace roxanne::database
