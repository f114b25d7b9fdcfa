#include "database/committer.h"

#include "base/status_macros.h"
#include "database/database_impl.h"
#include "database/group_commit.h"
#include "database/schema.h"

namespace roxanne::database {
namespace {
// A group ends when its rows reach this size, so that memory stays bounded.
constexpr size_t kGroupBytesMax = 16u << 20;
constexpr size_t kGroupWritesMax = 256;
// Collections that were not written to get a new snapshot this often.
constexpr uint64_t kCommitsBetweenRefreshes = 1024;
// Redo records beyond this are made superfluous by syncing the vectors files: it bounds the time
// that the next open needs after a crash.
constexpr uint64_t kCheckpointRedoBytes = 16u << 20;
}  // namespace

size_t PendingWrite::row_bytes_total() const {
  return vectors == nullptr ? 0 : vectors->rows() * vectors->row_bytes();
}

size_t PendingWrite::store_bytes() const {
  constexpr size_t kBytesPerRow = 300;  // keys, bitmaps and RocksDB's own
  size_t bytes = keys->size() * kBytesPerRow;
  if (keys->type() == KeyType::kString) {
    for (size_t i = 0; i < keys->size(); ++i) bytes += 2 * keys->str(i).size();
  }
  if (options != nullptr) {
    for (const std::string& payload : options->payloads) bytes += payload.size();
  }
  return bytes;
}

void Committer::commit(PendingWrite& write) {
  std::unique_lock lock(mutex_);
  queue_.push_back(&write);
  while (!write.is_done) {
    if (has_leader_) {
      write.changed.wait(lock);
    } else {
      lead(lock);
    }
  }
}

void Committer::lead(std::unique_lock<std::mutex>& lock) {
  std::vector<PendingWrite*> group;
  size_t bytes = 0;
  while (!queue_.empty() && group.size() < kGroupWritesMax) {
    bytes += queue_.front()->row_bytes_total() + queue_.front()->store_bytes();
    if (!group.empty() && bytes > kGroupBytesMax) break;
    group.push_back(queue_.front());
    queue_.pop_front();
  }
  has_leader_ = true;
  lock.unlock();
  commit_group(group);
  lock.lock();
  for (PendingWrite* write : group) {
    write->is_done = true;
    write->changed.notify_one();
  }
  stop_leading();
}

// Whoever comes first leads next: the next write's caller, or one that wants to be alone.
void Committer::stop_leading() {
  has_leader_ = false;
  if (!queue_.empty()) queue_.front()->changed.notify_one();
  idle_.notify_all();
}

void Committer::commit_group(const std::vector<PendingWrite*>& group) {
  const Status refused = failure();
  if (!refused.is_ok()) {
    for (PendingWrite* write : group) write->status = refused;
    return;
  }
  GroupCommit commit(database_);
  for (PendingWrite* write : group) commit.stage(*write);
  bool must_stop = false;
  Status status = commit.commit(must_stop);
  if (must_stop) fail(status);
  if (!status.is_ok()) {
    for (PendingWrite* write : group) {
      if (write->status.is_ok()) write->status = status;
    }
    return;
  }
  // The group is durable by now: a checkpoint that fails stops later writes, not these.
  (void)checkpoint_if_due();
  if (commits_ % kCommitsBetweenRefreshes == 0) refresh_idle_collections();
}

Status Committer::run_alone(const std::function<Status()>& work) {
  std::unique_lock lock(mutex_);
  while (has_leader_) idle_.wait(lock);
  has_leader_ = true;
  lock.unlock();
  const Status status = work();  // must not throw
  lock.lock();
  stop_leading();
  return status;
}

Status Committer::checkpoint_if_due() {
  if (redo_bytes() <= kCheckpointRedoBytes) return Status::ok();
  const Status status = checkpoint();
  if (!status.is_ok()) fail(status);
  return status;
}

uint64_t Committer::redo_bytes() const {
  uint64_t sum = 0;
  for (const auto& collection : database_.collections()) sum += collection->redo_bytes;
  return sum;
}

Status Committer::checkpoint() {
  storage::WriteBatch batch;
  for (const auto& collection : database_.collections()) {
    if (collection->redo_bytes == 0) continue;
    ROX_RETURN_IF_ERROR(collection->vectors()->file().sync());
    batch.erase_range(schema::table_prefix('r', collection->id()),
                      schema::table_end('r', collection->id()));
    collection->redo_bytes = 0;
  }
  // Synced at every level: it bounds what a power cut can take from the weaker ones.
  const uint64_t covered = commits_;
  ROX_RETURN_IF_ERROR(database_.store()->write(batch, true));
  synced_commits_ = covered;
  for (const auto& collection : database_.collections()) {
    if (collection->vectors() != nullptr) collection->give_space_back();
  }
  return Status::ok();
}

void Committer::refresh_idle_collections() {
  for (const auto& collection : database_.collections()) {
    if (collection->usable().is_ok()) collection->refresh(commits_);
  }
}

Status Committer::sync_commits() {
  const uint64_t covered = commits_;
  const Status status = database_.store()->sync_log();
  if (!status.is_ok()) {
    fail(status);
    return status;
  }
  uint64_t synced = synced_commits_;
  while (synced < covered && !synced_commits_.compare_exchange_weak(synced, covered)) {
  }
  return Status::ok();
}

Status Committer::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void Committer::fail(const Status& reason) {
  std::lock_guard lock(mutex_);
  if (!failure_.is_ok()) return;
  failure_ = Status::read_only(
      "the database takes no more writes after a failed one (" + reason.to_string() +
      "); reads go on; close it, mend the cause and open it again: nothing acknowledged is lost");
}

}  // namespace roxanne::database
