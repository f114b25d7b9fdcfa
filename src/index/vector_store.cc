#include "index/vector_store.h"

#include <algorithm>

#include "base/deadline.h"
#include "base/status_macros.h"
#include "base/stopwatch.h"
#include "storage/async_reader.h"

namespace roxanne::index {
namespace {
// Blocks in flight a lane while streaming: 1-2 MiB keep a flash drive busy.
constexpr size_t kStreamDepth = 4;
// Left for what a scan takes beside the blocks in memory: read buffers, panels, candidates.
constexpr uint64_t kScanBytes = 12u << 20;
constexpr size_t kHugePageBytes = 2u << 20;
constexpr size_t kSlabBytesMax = 32u << 20;

// Large enough for huge pages, small beside what there is to spend.
size_t slab_bytes(uint64_t budget) {
  return std::clamp<size_t>(budget / 16, kHugePageBytes, kSlabBytesMax);
}
}  // namespace

// Neighbouring blocks in one large allocation, so that huge pages can serve them.
struct VectorStore::Slab {
  MemoryReservation reservation;
  base::AlignedBuffer memory;
  std::vector<char> loaded;  // one flag a block
};

// One lane's reads of blocks that are not kept in memory.
class VectorStore::Streamer {
 public:
  Streamer(const VectorStore& store, ScanCost& cost)
      : store_(store), cost_(cost), reader_(storage::make_async_reader({.depth = kStreamDepth})) {}

  bool full() const { return reader_->in_flight() == kStreamDepth; }
  bool idle() const { return reader_->in_flight() == 0; }

  Status submit(uint64_t block) {
    size_t place = 0;
    while (busy_[place]) ++place;
    busy_[place] = true;
    blocks_[place] = block;
    const storage::RowLayout& layout = store_.file_->layout();
    if (buffers_[place].size() == 0) buffers_[place] = base::AlignedBuffer(layout.block_bytes);
    ++cost_.reads;
    cost_.bytes_read += layout.block_bytes;
    ROX_RETURN_IF_ERROR(reader_->submit(store_.file_->direct_file(), layout.block_offset(block),
                                        buffers_[place].span(), place));
    return reader_->start();  // the disk works while other blocks are compared
  }

  struct Block {
    uint64_t number;
    std::span<std::byte> bytes;
  };
  // The next block that arrived, valid until the next call of submit() or wait().
  Result<Block> wait() {
    base::Stopwatch watch;
    ROX_ASSIGN_OR_RETURN(storage::AsyncReader::Completion done, reader_->wait());
    cost_.add_wait(watch.lap_us());
    busy_[done.tag] = false;
    ROX_RETURN_IF_ERROR(done.status);
    const std::span<std::byte> bytes = buffers_[done.tag].span();
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(done.bytes_read), bytes.end(), std::byte{0});
    return Block{blocks_[done.tag], bytes};
  }

 private:
  const VectorStore& store_;
  ScanCost& cost_;
  base::AlignedBuffer buffers_[kStreamDepth];
  uint64_t blocks_[kStreamDepth] = {};
  bool busy_[kStreamDepth] = {};
  // Last: its destructor waits for reads into the buffers above.
  std::unique_ptr<storage::AsyncReader> reader_;
};

VectorStore::VectorStore(std::unique_ptr<storage::RowFile> file, MemoryBudget& budget)
    : file_(std::move(file)),
      budget_(budget),
      blocks_per_slab_((slab_bytes(budget.limit()) + file_->layout().block_bytes - 1) /
                       file_->layout().block_bytes) {}

Status VectorStore::write(std::span<const storage::RowRef> rows) {
  ROX_RETURN_IF_ERROR(file_->write(rows));
  for (size_t i = 0; i < rows.size();) {
    const uint64_t block = file_->layout().block_of(rows[i].slot);
    // The lock before the look: a load that comes later reads what was just written.
    std::unique_lock lock(lock_of(block));
    const Place resident = find_resident(block);
    for (; i < rows.size() && file_->layout().block_of(rows[i].slot) == block; ++i) {
      if (resident.data != nullptr) storage::store_row(file_->layout(), rows[i], resident.data);
    }
  }
  return Status::ok();
}

void VectorStore::overlay(const storage::RowRef& row) {
  const size_t row_bytes = file_->layout().row_bytes;
  overlay_[file_->layout().block_of(row.slot)][row.slot] = {
      row.tag, row.norm, std::vector<std::byte>(row.bytes, row.bytes + row_bytes)};
}

Result<storage::RowRef> VectorStore::read(uint32_t slot, std::span<std::byte> bytes) const {
  const uint64_t block = file_->layout().block_of(slot);
  if (const auto found = overlay_.find(block); found != overlay_.end()) {
    if (const auto row = found->second.find(slot); row != found->second.end()) {
      std::copy(row->second.bytes.begin(), row->second.bytes.end(), bytes.begin());
      return storage::RowRef{slot, row->second.tag, row->second.norm, bytes.data()};
    }
  }
  {
    std::shared_lock lock(lock_of(block));
    const Place resident = find_resident(block);
    if (resident.data != nullptr) {
      const storage::BlockView view(file_->layout(), resident.data);
      const size_t i = file_->layout().index_in_block(slot);
      if (!view.row_is_intact(i, slot)) return file_->damaged_row(slot);
      std::copy_n(view.row(i), bytes.size(), bytes.begin());
      return storage::RowRef{slot, view.tags()[i], view.norms()[i], bytes.data()};
    }
  }
  return file_->read_row(slot, bytes);
}

VectorStore::Place VectorStore::find_resident(uint64_t block) const {
  std::shared_lock lock(slabs_mutex_);
  const size_t slab = block / blocks_per_slab_;
  const size_t i = block % blocks_per_slab_;
  if (slab >= slabs_.size() || slabs_[slab] == nullptr || slabs_[slab]->loaded[i] == 0) return {};
  return {slabs_[slab], slabs_[slab]->memory.data() + i * file_->layout().block_bytes};
}

VectorStore::Place VectorStore::place_for(uint64_t block) {
  std::unique_lock lock(slabs_mutex_);
  const size_t slab = block / blocks_per_slab_;
  if (slab >= slabs_.size()) slabs_.resize(slab + 1);
  if (slabs_[slab] == nullptr) {
    const size_t bytes = blocks_per_slab_ * file_->layout().block_bytes;
    const size_t mapped_bytes = (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
    if (budget_.left() < mapped_bytes + kScanBytes || !budget_.take(mapped_bytes)) return {};
    resident_bytes_ += mapped_bytes;
    slabs_[slab] = std::make_shared<Slab>();
    slabs_[slab]->reservation = MemoryReservation(budget_, mapped_bytes);
    slabs_[slab]->memory = base::AlignedBuffer(bytes);
    slabs_[slab]->loaded.assign(blocks_per_slab_, 0);
  }
  return {slabs_[slab],
          slabs_[slab]->memory.data() + (block % blocks_per_slab_) * file_->layout().block_bytes};
}

Status VectorStore::load(uint64_t block, std::span<std::byte> out) const {
  ROX_RETURN_IF_ERROR(file_->read_block(block, out));
  if (const auto found = overlay_.find(block); found != overlay_.end()) {
    for (const auto& [slot, row] : found->second) {
      storage::store_row(file_->layout(), {slot, row.tag, row.norm, row.bytes.data()}, out.data());
    }
  }
  return Status::ok();
}

Status VectorStore::check_block(uint64_t block, const LiveSet& live, const std::byte* data) const {
  const storage::RowLayout& layout = file_->layout();
  const storage::BlockView view(layout, data);
  const uint64_t first = block * layout.rows_per_block;
  const uint64_t* words = live.words_from(first);
  if (words == nullptr) return Status::ok();
  for (size_t i = 0; i < layout.rows_per_block; ++i) {
    if (((words[i / 64] >> (i % 64)) & 1) == 0) continue;
    const uint32_t slot = static_cast<uint32_t>(first + i);
    if (!view.row_is_intact(i, slot)) return file_->damaged_row(slot);
  }
  return Status::ok();
}

Status VectorStore::read_block(uint64_t block, const LiveSet& live,
                               std::span<std::byte> out) const {
  ROX_RETURN_IF_ERROR(load(block, out));
  return check_block(block, live, out.data());
}

Result<bool> VectorStore::load_resident(uint64_t block, const LiveSet& live,
                                        const LatestLiveSet& latest, ScanCost& cost) {
  std::unique_lock lock(lock_of(block));
  if (find_resident(block).data != nullptr) return true;  // another search may have loaded it
  const Place place = place_for(block);
  if (place.data == nullptr) return false;
  const storage::RowLayout& layout = file_->layout();
  base::Stopwatch watch;
  ROX_RETURN_IF_ERROR(load(block, {place.data, layout.block_bytes}));
  cost.add_wait(watch.lap_us());
  ++cost.reads;
  cost.bytes_read += layout.block_bytes;
  ROX_RETURN_IF_ERROR(check_block(block, live, place.data));
  ROX_RETURN_IF_ERROR(check_block(block, *latest(), place.data));
  std::unique_lock slabs_lock(slabs_mutex_);
  place.slab->loaded[block % blocks_per_slab_] = 1;
  return true;
}

Result<bool> VectorStore::scan_resident(uint64_t block, const LiveSet& live,
                                        const LatestLiveSet& latest, size_t lane, ExactScan& scan,
                                        ScanCost& cost) {
  // Twice at most: what was loaded may be dropped before it is scanned.
  for (const bool may_load : {true, false}) {
    {
      std::shared_lock lock(lock_of(block));
      const Place resident = find_resident(block);
      if (resident.data != nullptr) {
        if (may_load) ++cost.cache_hits;
        scan_block(block, live, resident.data, lane, scan);
        return true;
      }
    }
    if (!may_load) break;
    ROX_ASSIGN_OR_RETURN(const bool loaded, load_resident(block, live, latest, cost));
    if (!loaded) break;
  }
  return false;
}

void VectorStore::drop_cached_blocks() {
  std::unique_lock lock(slabs_mutex_);
  slabs_.clear();
  resident_bytes_ = 0;
}

void VectorStore::scan_block(uint64_t block, const LiveSet& live, const std::byte* data,
                             size_t lane, ExactScan& scan) const {
  const storage::RowLayout& layout = file_->layout();
  const storage::BlockView view(layout, data);
  const uint64_t first = block * layout.rows_per_block;
  const uint64_t* words = live.words_from(first);
  size_t last_word = layout.rows_per_block / 64;
  while (last_word > 0 && words[last_word - 1] == 0) --last_word;
  scan.scan(lane, {.rows = view.rows(),
                   .row_count = last_word * 64,
                   .first_id = first,
                   .live = words,
                   .tags = view.tags(),
                   .norms = view.norms()});
}

Status VectorStore::scan_all(const LiveSet& live, const LatestLiveSet& latest,
                             const ScanLanes& lanes, ExactScan& scan, ScanCost& cost) {
  const storage::RowLayout& layout = file_->layout();
  const uint64_t block_count =
      (live.slot_end() + layout.rows_per_block - 1) / layout.rows_per_block;
  std::atomic<uint64_t> next{0};
  std::mutex failure_mutex;  // guards failure
  Status failure;
  std::atomic<bool> failed{false};
  const auto fail = [&](const Status& status) {
    std::lock_guard lock(failure_mutex);
    if (failure.is_ok()) failure = status;
    failed = true;
  };
  const auto has_live = [&](uint64_t block) {
    const uint64_t* words = live.words_from(block * layout.rows_per_block);
    return words != nullptr && std::any_of(words, words + layout.rows_per_block / 64,
                                           [](uint64_t word) { return word != 0; });
  };
  const auto run_lane = [&](size_t lane) -> Status {
    std::unique_ptr<Streamer> streamer;
    const auto drain_one = [&]() -> Status {
      ROX_ASSIGN_OR_RETURN(Streamer::Block arrived, streamer->wait());
      if (const auto found = overlay_.find(arrived.number); found != overlay_.end()) {
        ROX_RETURN_IF_ERROR(load(arrived.number, arrived.bytes));
      }
      ROX_RETURN_IF_ERROR(check_block(arrived.number, live, arrived.bytes.data()));
      scan_block(arrived.number, live, arrived.bytes.data(), lane, scan);
      return Status::ok();
    };
    for (uint64_t block = next++; block < block_count && !failed; block = next++) {
      if (!has_live(block)) continue;
      ROX_RETURN_IF_ERROR(base::check_deadline(lanes.deadline));
      ROX_ASSIGN_OR_RETURN(const bool scanned,
                           scan_resident(block, live, latest, lane, scan, cost));
      if (scanned) continue;
      if (streamer == nullptr) streamer = std::make_unique<Streamer>(*this, cost);
      if (streamer->full()) ROX_RETURN_IF_ERROR(drain_one());
      ROX_RETURN_IF_ERROR(streamer->submit(block));
    }
    while (streamer != nullptr && !streamer->idle() && !failed) ROX_RETURN_IF_ERROR(drain_one());
    return Status::ok();
  };
  lanes.pool.run(lanes.count, [&](size_t lane) {
    base::Stopwatch watch;
    const Status status = run_lane(lane);
    cost.lanes_ns += static_cast<uint64_t>(watch.lap_us() * 1000);
    if (!status.is_ok()) fail(status);
  });
  return failure;
}

Status VectorStore::check(
    const LiveSet& live, const std::function<bool(const Status&)>& damaged,
    const std::function<bool(uint64_t blocks_done, uint64_t blocks)>& progress) const {
  const storage::RowLayout& layout = file_->layout();
  const uint64_t block_count =
      (live.slot_end() + layout.rows_per_block - 1) / layout.rows_per_block;
  base::AlignedBuffer buffer(layout.block_bytes);
  for (uint64_t block = 0; block < block_count; ++block) {
    const uint64_t first = block * layout.rows_per_block;
    const uint64_t* words = live.words_from(first);
    if (words == nullptr) continue;
    ROX_RETURN_IF_ERROR(load(block, buffer.span()));
    const storage::BlockView view(layout, buffer.data());
    for (size_t i = 0; i < layout.rows_per_block; ++i) {
      if (((words[i / 64] >> (i % 64)) & 1) == 0) continue;
      const uint32_t slot = static_cast<uint32_t>(first + i);
      if (!view.row_is_intact(i, slot) && !damaged(file_->damaged_row(slot))) return Status::ok();
    }
    if (!progress(block + 1, block_count)) return Status::cancelled("the check was stopped");
  }
  return Status::ok();
}

}  // namespace roxanne::index
