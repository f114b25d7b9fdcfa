// The one way in for changes: groups what concurrent callers want written into one atomic, synced
// batch of the key-value store, then shows it to readers.
//
// A commit, in order (docs/durability.md):
//   1  slots are chosen that nothing durable or visible points at
//   2a small groups: the rows go into the batch as redo records
//   2b large groups: the rows are written to the vectors files and synced
//   3  the batch is written, synced under Durability::kFull: the commit point
//   4  after 2a, the rows are written to the vectors files, unsynced
//   5  new versions are published, the callers return
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "roxanne/options.h"
#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

// What one caller wants. It lives on the caller's stack until commit() returns.
struct PendingWrite {
  CollectionImpl* collection = nullptr;
  const KeysView* keys = nullptr;
  // Upserts only; null for an erase.
  const MatrixView* vectors = nullptr;
  const std::vector<uint32_t>* norms = nullptr;
  const UpsertOptions* options = nullptr;

  Status status;
  UpsertCounts counts;
  uint64_t erased = 0;
  bool is_done = false;
  // Told when it is done, and when its caller is the next to commit: nobody else need wake up.
  std::condition_variable changed;

  size_t row_bytes_total() const;
  // About what the key-value store will have to log.
  size_t store_bytes() const;
};

class Committer {
 public:
  // `database` outlives the committer.
  explicit Committer(DatabaseImpl& database) : database_(database) {}

  // Returns when `write` is committed or has failed: see write.status.
  void commit(PendingWrite& write);

  // Runs `work` while no commit is under way.
  Status run_alone(const std::function<Status()>& work);

  // Makes the vectors files durable and drops the redo records. While alone.
  Status checkpoint();
  // Where redo records became many. A failure stops later writes.
  Status checkpoint_if_due();

  // From a failed write or sync on, every later write is refused with this. Never retried: after a
  // failed sync the system may have dropped what it could not write. Keeps D6.
  Status failure() const;
  void fail(const Status& reason);

  uint64_t redo_bytes() const;

  // Commits are numbered from 1 as they reach the store. Slots that a commit freed may be written
  // once it is synced: until then a power cut can bring back the points that were there. Keeps D5.
  uint64_t next_commit_number(bool is_synced) {
    const uint64_t number = ++commits_;
    if (is_synced) synced_commits_ = number;
    return number;
  }
  uint64_t commits() const { return commits_; }
  uint64_t synced_commits() const { return synced_commits_; }
  // Makes every commit so far durable.
  Status sync_commits();

 private:
  void refresh_idle_collections();
  void commit_group(const std::vector<PendingWrite*>& group);
  void lead(std::unique_lock<std::mutex>& lock);
  void stop_leading();

  DatabaseImpl& database_;
  mutable std::mutex mutex_;      // guards queue_, has_leader_, failure_ and PendingWrite::is_done
  std::condition_variable idle_;  // for run_alone()
  std::deque<PendingWrite*> queue_;
  bool has_leader_ = false;
  Status failure_;
  std::atomic<uint64_t> commits_{0};
  std::atomic<uint64_t> synced_commits_{0};
};

}  // namespace roxanne::database
