#include "database/group_commit.h"

#include <algorithm>

#include "base/status_macros.h"
#include "database/graph_maintainer.h"
#include "database/schema.h"

namespace roxanne::database {
namespace {

// Up to this many bytes of rows, redo records make a commit cost one sync instead of two.
constexpr uint64_t kRedoBytesMax = 1u << 20;
// Space that must stay free: the next flush of the key-value store needs room beside what it holds.
constexpr uint64_t kReserveBytes = 4u << 20;

std::vector<std::string> encode_keys(const KeysView& keys) {
  std::vector<std::string> encoded;
  encoded.reserve(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    encoded.push_back(keys.type() == KeyType::kU64 ? schema::encode_u64(keys.u64(i))
                                                   : std::string(keys.str(i)));
  }
  return encoded;
}

}  // namespace

GroupCommit::Staged& GroupCommit::staged_for(CollectionImpl& collection) {
  const auto [found, is_new] = staged_.try_emplace(&collection);
  if (is_new) found->second.live = collection.version()->live;
  return found->second;
}

void GroupCommit::stage(PendingWrite& write) {
  write.status = write.collection->usable();
  if (!write.status.is_ok()) return;
  write.status = write.vectors != nullptr ? stage_upsert(write) : stage_erase(write);
}

Result<GroupCommit::Slots> GroupCommit::find_slots(CollectionImpl& collection,
                                                   const std::vector<std::string>& keys) {
  Staged& staged = staged_for(collection);
  Slots slots(keys.size());
  std::vector<std::string> asked;
  std::vector<size_t> asked_rows;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (const auto found = staged.keys.find(keys[i]); found != staged.keys.end()) {
      slots[i] = found->second;
    } else if (!collection.is_beyond_keys(keys[i])) {
      asked.push_back(schema::point_key(collection.id(), keys[i]));
      asked_rows.push_back(i);
    }
  }
  if (asked.empty()) return slots;
  ROX_ASSIGN_OR_RETURN(const auto values, database_.store()->get_many(asked));
  for (size_t i = 0; i < asked.size(); ++i) {
    if (!values[i].has_value()) continue;
    ROX_ASSIGN_OR_RETURN(const uint32_t slot, schema::decode_u32(*values[i]));
    if (!staged.live.contains(slot) &&
        staged.chunks.find(slot / index::kLiveChunkSlots) == staged.chunks.end()) {
      return Status::corruption("kv: a key of collection " + collection.name() +
                                " points at slot " + std::to_string(slot) + ", which is not live");
    }
    slots[asked_rows[i]] = slot;
  }
  return slots;
}

Status GroupCommit::check_space(const PendingWrite& write) {
  ROX_ASSIGN_OR_RETURN(const uint64_t free, database_.file_system().free_bytes(database_.path()));
  // The rows and what is logged, which is flushed once more later, as is what the store has in
  // memory. Erases may use the reserve: they are how room is made.
  space_bytes_ += 2 * (write.row_bytes_total() + write.store_bytes());
  const bool is_erase = write.vectors == nullptr;
  const uint64_t needed =
      is_erase ? space_bytes_ : space_bytes_ + database_.store()->buffered_bytes() + kReserveBytes;
  if (free >= needed) return Status::ok();
  return Status::disk_full(database_.path() + ": " + std::to_string(free) +
                           " bytes are free, this write needs " + std::to_string(needed) +
                           ": make room and try again; reads and deletes go on");
}

Status GroupCommit::stage_upsert(PendingWrite& write) {
  CollectionImpl& collection = *write.collection;
  const size_t row_count = write.keys->size();
  const std::vector<std::string> encoded = encode_keys(*write.keys);
  ROX_RETURN_IF_ERROR(check_space(write));
  ROX_ASSIGN_OR_RETURN(Slots old_slots, find_slots(collection, encoded));

  const OnDuplicate on_duplicate = write.options->on_duplicate;
  std::vector<size_t> rows;
  for (size_t i = 0; i < row_count; ++i) {
    if (old_slots[i].has_value() && on_duplicate == OnDuplicate::kError) {
      return Status::already_exists("key " + write.keys->key(i).to_string() + " (row " +
                                    std::to_string(i) + " of the batch) is in collection " +
                                    collection.name() + " already");
    }
    if (!old_slots[i].has_value() || on_duplicate == OnDuplicate::kReplace) rows.push_back(i);
  }

  const std::vector<uint32_t> slots = collection.take_slots(rows.size());
  if (slots.size() < rows.size()) {
    collection.slots().give_back(slots);
    return Status::invalid_argument("collection " + collection.name() + " is full: at most " +
                                    std::to_string(kCollectionPointsMax) + " points");
  }
  const Status reserved = collection.vectors()->file().reserve(slots);
  if (!reserved.is_ok()) {
    collection.slots().give_back(slots);
    return reserved;
  }

  Staged& staged = staged_for(collection);
  staged.taken.insert(staged.taken.end(), slots.begin(), slots.end());
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::optional<uint32_t> old_slot = old_slots[rows[i]];
    if (old_slot.has_value()) free_slot(collection, staged, *old_slot);
    put_row(write, staged, rows[i], slots[i], encoded[rows[i]]);
    ++(old_slot.has_value() ? write.counts.replaced : write.counts.inserted);
  }
  write.counts.skipped = row_count - rows.size();
  row_bytes_ += rows.size() * collection.row_bytes();
  return Status::ok();
}

void GroupCommit::put_row(PendingWrite& write, Staged& staged, size_t row, uint32_t slot,
                          const std::string& encoded_key) {
  CollectionImpl& collection = *write.collection;
  const bool has_number_key = write.keys->type() == KeyType::kU64;
  batch_.put(schema::point_key(collection.id(), encoded_key), schema::encode_u32(slot));
  if (!has_number_key) batch_.put(schema::slot_key('s', collection.id(), slot), encoded_key);
  const auto& payloads = write.options->payloads;
  if (!payloads.empty() && !payloads[row].empty()) {
    batch_.put(schema::slot_key('p', collection.id(), slot), payloads[row]);
  }
  staged.rows.push_back({slot, has_number_key ? write.keys->u64(row) : 0, (*write.norms)[row],
                         write.vectors->row(row)});
  staged.keys[encoded_key] = slot;
  staged.new_keys.push_back(encoded_key);
  set_live(staged, slot, true);
  has_changes_ = true;
}

void GroupCommit::free_slot(CollectionImpl& collection, Staged& staged, uint32_t slot) {
  batch_.erase(schema::slot_key('p', collection.id(), slot));
  if (collection.options().key_type == KeyType::kString) {
    batch_.erase(schema::slot_key('s', collection.id(), slot));
  }
  staged.freed.push_back(slot);
  set_live(staged, slot, false);
  has_changes_ = true;
}

Status GroupCommit::stage_erase(PendingWrite& write) {
  CollectionImpl& collection = *write.collection;
  std::vector<std::string> encoded = encode_keys(*write.keys);
  ROX_RETURN_IF_ERROR(check_space(write));
  std::sort(encoded.begin(), encoded.end());
  encoded.erase(std::unique(encoded.begin(), encoded.end()), encoded.end());
  ROX_ASSIGN_OR_RETURN(const Slots slots, find_slots(collection, encoded));
  Staged& staged = staged_for(collection);
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (!slots[i].has_value()) continue;
    batch_.erase(schema::point_key(collection.id(), encoded[i]));
    free_slot(collection, staged, *slots[i]);
    staged.keys[encoded[i]] = std::nullopt;
    ++write.erased;
  }
  return Status::ok();
}

void GroupCommit::set_live(Staged& staged, uint32_t slot, bool live) {
  const size_t number = slot / index::kLiveChunkSlots;
  std::shared_ptr<index::LiveChunk>& chunk = staged.chunks[number];
  if (chunk == nullptr) {
    chunk = std::make_shared<index::LiveChunk>();
    chunk->fill(0);
    const uint64_t* words = staged.live.chunk_words(number);
    if (words != nullptr) std::copy_n(words, chunk->size(), chunk->begin());
  }
  const uint32_t bit = slot % index::kLiveChunkSlots;
  uint64_t& word = (*chunk)[bit / 64];
  const uint64_t mask = uint64_t{1} << (bit % 64);
  word = live ? word | mask : word & ~mask;
}

Status GroupCommit::commit(bool& must_stop) {
  must_stop = false;
  if (!has_changes_) return Status::ok();
  for (auto& [collection, staged] : staged_) {
    std::sort(staged.rows.begin(), staged.rows.end(),
              [](const auto& a, const auto& b) { return a.slot < b.slot; });
  }
  const bool is_large = row_bytes_ > kRedoBytesMax;
  if (is_large) {
    const Status written = write_rows_first(must_stop);
    if (!written.is_ok()) {
      give_back_slots();
      return written;
    }
  } else {
    put_redo_records();
  }
  put_live_chunks();
  const bool sync = database_.options().durability == Durability::kFull;
  Status status = database_.store()->write(batch_, sync);
  if (status.is_ok() && !is_large) status = write_rows_after();
  if (is_large && status.is_ok()) {
    for (auto& [collection, staged] : staged_) collection->redo_bytes = 0;
  }
  if (!status.is_ok()) {
    must_stop = true;  // the batch may or may not be on disk: the next open finds out
    return status;
  }
  publish(database_.committer().next_commit_number(sync));
  return Status::ok();
}

// The rows are on disk before anything points at them. Keeps D2. What earlier redo records hold is
// on disk then too, and they must go: replayed after this commit, they could undo a reused slot.
// A full disk while writing is the caller's to mend; a failed sync is the end. Keeps D6.
Status GroupCommit::write_rows_first(bool& must_stop) {
  for (auto& [collection, staged] : staged_) {
    const std::shared_ptr<index::VectorStore> vectors = collection->vectors();
    const Status written = vectors->write(staged.rows);
    must_stop = !written.is_ok() && written.code() != StatusCode::kDiskFull;
    ROX_RETURN_IF_ERROR(written);
    const Status synced = vectors->file().sync();
    must_stop = !synced.is_ok();
    ROX_RETURN_IF_ERROR(synced);
    batch_.erase_range(schema::table_prefix('r', collection->id()),
                       schema::table_end('r', collection->id()));
  }
  return Status::ok();
}

void GroupCommit::put_redo_records() {
  for (auto& [collection, staged] : staged_) {
    for (const storage::RowRef& row : staged.rows) {
      batch_.put(schema::slot_key('r', collection->id(), row.slot),
                 schema::encode_redo(row, collection->row_bytes()));
      collection->redo_bytes += collection->row_bytes();
    }
  }
}

void GroupCommit::put_live_chunks() {
  for (auto& [collection, staged] : staged_) {
    std::vector<index::LiveSet::Change> changes;
    for (auto& [number, chunk] : staged.chunks) {
      batch_.put(schema::slot_key('l', collection->id(), static_cast<uint32_t>(number)),
                 schema::encode_chunk(*chunk));
      changes.push_back({number, chunk});
    }
    staged.live.set_chunks(changes);
  }
}

Status GroupCommit::write_rows_after() {
  for (auto& [collection, staged] : staged_) {
    ROX_RETURN_IF_ERROR(collection->vectors()->write(staged.rows));
  }
  return Status::ok();
}

void GroupCommit::give_back_slots() {
  for (auto& [collection, staged] : staged_) collection->slots().give_back(staged.taken);
}

void GroupCommit::publish(uint64_t commit) {
  for (auto& [collection, staged] : staged_) {
    for (const std::string& key : staged.new_keys) collection->note_key(key);
    collection->publish({.live = std::move(staged.live),
                         .freed = std::move(staged.freed),
                         .rows = staged.rows,
                         .commit = commit});
  }
  database_.index_builder().note_commit();
  database_.maintainer().note_commit();
}

}  // namespace roxanne::database
