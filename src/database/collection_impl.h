// A collection inside: its versions, its slots, its searches.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "database/schema.h"
#include "database/slot_allocator.h"
#include "index/live_set.h"
#include "index/vector_store.h"
#include "roxanne/collection.h"
#include "storage/key_value_store.h"

namespace roxanne::database {

class DatabaseImpl;

// What a reader sees: one moment of the collection, complete and unchanging. While a Version is
// held, no slot in its live set is written. Keeps D5.
struct Version {
  index::LiveSet live;
  std::unique_ptr<storage::KeyValueStore::Snapshot> snapshot;
};

class CollectionImpl {
 public:
  CollectionImpl(uint32_t id, schema::CollectionRecord record,
                 std::shared_ptr<DatabaseImpl> database);

  // Opens the vectors file and the live bitmaps; a failure is kept and returned by every call, so
  // that one damaged collection does not close the others.
  void open();
  const Status& open_status() const { return open_status_; }

  uint32_t id() const { return id_; }
  const std::string& name() const { return record_.name; }
  const CollectionOptions& options() const { return record_.options; }
  size_t row_bytes() const { return options().dim * scalar_bytes(options().type); }

  // kNotFound once the database is closed or the collection dropped, else open_status().
  Status usable() const;
  void retire();  // dropped or closed: lets go of files and versions

  Result<UpsertCounts> upsert(const KeysView& keys, const MatrixView& vectors,
                              const UpsertOptions& options);
  Result<uint64_t> erase(const KeysView& keys);
  Result<Point> get(const Key& key, const GetOptions& options) const;
  Result<std::vector<std::vector<Neighbor>>> search(const MatrixView& queries,
                                                    const SearchOptions& options) const;
  Result<CollectionInfo> info() const;

  // The newest version; null once retired.
  std::shared_ptr<const Version> version() const;
  std::shared_ptr<DatabaseImpl> database() const { return database_; }
  std::shared_ptr<index::VectorStore> vectors() const;

  // For the committer, which is one thread at a time.
  std::vector<uint32_t> take_slots(size_t count);
  void give_back_slots(const std::vector<uint32_t>& slots) { allocator_->give_back(slots); }
  uint64_t slot_end() const { return allocator_->end(); }
  // Makes `live` what new readers see; `freed` slots may be written again once no reader is left
  // that sees them and commit number `commit` is synced.
  void publish(index::LiveSet live, std::vector<uint32_t> freed, uint64_t commit);
  // The same points with a new snapshot: an old one keeps RocksDB from forgetting what was erased.
  void refresh(uint64_t commit);
  // After a repair of the live bitmaps in the store.
  Status reload_live_set(uint64_t commit);
  // Greater than any key's encoded bytes that were ever stored since open: no such key exists.
  bool is_beyond_keys(const std::string& encoded) const;
  void note_key(const std::string& encoded);
  std::atomic<uint64_t> redo_bytes{0};  // in redo records of this collection

 private:
  Status load();
  void release_freed_slots();
  Result<index::LiveSet> load_live_set() const;
  Status search_block(const Version& version, const MatrixView& queries,
                      const SearchOptions& options, std::vector<std::vector<Neighbor>>& results,
                      SearchStats& stats) const;
  Result<std::vector<Neighbor>> to_neighbors(const Version& version,
                                             const std::vector<index::ScanNeighbor>& found,
                                             const SearchOptions& options) const;
  size_t lane_count(const Version& version, size_t queries, const SearchOptions& options) const;

  const uint32_t id_;
  const schema::CollectionRecord record_;
  // Shared with the Database handle: calls on a handle that outlived it must find a closed
  // database.
  const std::shared_ptr<DatabaseImpl> database_;
  Status open_status_;

  mutable std::mutex mutex_;  // guards retired_, version_ and vectors_ (the pointers)
  bool retired_ = false;
  std::shared_ptr<const Version> version_;       // shared with the readers that hold it
  std::shared_ptr<index::VectorStore> vectors_;  // shared with running reads when retired

  // Only the committing thread uses what follows.
  std::unique_ptr<SlotAllocator> allocator_;
  struct Freed {
    std::weak_ptr<const Version> last_seen_by;
    uint64_t commit;
    std::vector<uint32_t> slots;
  };
  std::deque<Freed> freed_;  // one entry a publish, oldest first
  bool has_keys_ = false;
  std::string last_key_;  // encoded
};

}  // namespace roxanne::database
