// One group of writes on its way into the store: staging, the commit point, publication.
// Used by the committing thread alone, once.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "database/committer.h"
#include "database/database_impl.h"
#include "storage/key_value_store.h"

namespace roxanne::database {

class GroupCommit {
 public:
  explicit GroupCommit(DatabaseImpl& database) : database_(database) {}

  // Adds a write to the group, or sets its status to why it cannot be and leaves no trace of it.
  void stage(PendingWrite& write);
  // In move_points.cc. Gives points that are live in the newest version other slots, which were
  // taken for it and are given back where the commit fails.
  struct Move {
    uint32_t from = 0;
    storage::RowRef row;  // the slot it goes to; its bytes outlive the commit
    std::string key;      // encoded
    std::optional<std::string> payload;
  };
  void stage_moves(CollectionImpl& collection, const std::vector<Move>& moves);
  // Commits what was staged and publishes it. On an error nothing of the group is visible;
  // `must_stop` is set where it is unknown what reached the disk: no more writes then.
  Status commit(bool& must_stop);

 private:
  // What the group changes in one collection.
  struct Staged {
    index::LiveSet live;
    std::map<size_t, std::shared_ptr<index::LiveChunk>> chunks;  // changed ones
    std::vector<storage::RowRef> rows;
    std::vector<uint32_t> taken;
    std::vector<uint32_t> freed;
    // Keys the group touched: their slot, or none where it erased them.
    std::unordered_map<std::string, std::optional<uint32_t>> keys;
    std::vector<std::string> new_keys;
  };
  using Slots = std::vector<std::optional<uint32_t>>;

  Staged& staged_for(CollectionImpl& collection);
  Status stage_upsert(PendingWrite& write);
  Status stage_erase(PendingWrite& write);
  Result<Slots> find_slots(CollectionImpl& collection, const std::vector<std::string>& keys);
  Status check_space(const PendingWrite& write);
  void put_row(PendingWrite& write, Staged& staged, size_t row, uint32_t slot,
               const std::string& encoded_key);
  void free_slot(CollectionImpl& collection, Staged& staged, uint32_t slot);
  static void set_live(Staged& staged, uint32_t slot, bool live);

  Status write_rows_first(bool& must_stop);
  void put_redo_records();
  void put_live_chunks();
  Status write_rows_after();
  void give_back_slots();
  void publish(uint64_t commit);

  DatabaseImpl& database_;
  storage::WriteBatch batch_;
  std::map<CollectionImpl*, Staged> staged_;
  uint64_t row_bytes_ = 0;
  uint64_t space_bytes_ = 0;  // on disk, for all that was staged
  bool has_changes_ = false;
};

}  // namespace roxanne::database
