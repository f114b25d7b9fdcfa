#include "storage/key_value_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <mutex>

#include "base/status_macros.h"
#include "storage/rocksdb_file_system.h"

namespace roxanne::storage {
namespace {

constexpr int kReadOnlyOpenTries = 50;
constexpr uint64_t kReadOnlyOpenPauseUs = 5000;
constexpr size_t kGetManyKeys = 512;  // looked up together

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

// RocksDB writes no log files of its own: what matters comes back as a status.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// The system's clock and threads, our files. RocksDB waits a second after a failed background job.
class StoreEnv final : public rocksdb::EnvWrapper {
 public:
  explicit StoreEnv(FileSystem& file_system)
      : EnvWrapper(rocksdb::NewCompositeEnv(make_rocksdb_file_system(file_system))),
        files_(file_system) {
    file_system_ = target()->GetFileSystem();
  }
  void SleepForMicroseconds(int microseconds) override {
    files_.sleep_us(static_cast<uint64_t>(microseconds));
  }

 private:
  FileSystem& files_;
};

rocksdb::Options make_options(rocksdb::Env* env, const KeyValueStore::Options& from) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = from.create_if_missing;
  options.info_log = std::make_shared<SilentLogger>();
  // After a crash the log is replayed up to the first record that did not reach the disk whole.
  // What was acknowledged was synced, so it lies before that point. Keeps D1.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.paranoid_checks = true;
  options.track_and_verify_wals_in_manifest = true;
  options.max_background_jobs = 2;
  options.max_open_files = from.read_only ? -1 : 256;
  options.compression = rocksdb::kZSTD;
  options.bytes_per_sync = 1u << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  // A quarter for each of two write buffers, half for the block cache.
  options.write_buffer_size = std::clamp<uint64_t>(from.memory_bytes / 4, 1u << 20, 64u << 20);
  options.max_write_buffer_number = 2;
  // Of a table that is written, the filter and a buffer are in memory beside all that.
  options.target_file_size_base = std::clamp<uint64_t>(from.memory_bytes, 4u << 20, 64u << 20);
  options.writable_file_max_buffer_size =
      std::clamp<uint64_t>(from.memory_bytes / 32, 64u << 10, 1u << 20);
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(from.memory_bytes / 2);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  // In pieces of 4 KiB, so that a small cache holds the ones in use.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.metadata_block_size = 4096;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_top_level_index_and_filter = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// The names of the store's files and the size of its manifest: what a flush or compaction changes.
std::string folder_state(FileSystem& file_system, const std::string& path) {
  auto names = file_system.list(path);
  if (!names.is_ok()) return names.status().message();
  std::sort(names->begin(), names->end());
  std::string state;
  for (const std::string& name : *names) {
    state += name + "\n";
    if (!name.starts_with("MANIFEST-")) continue;
    const auto size = file_system.file_size(path + "/" + name);
    state += size.is_ok() ? std::to_string(*size) : size.status().message();
  }
  return state;
}

rocksdb::ReadOptions read_options(const rocksdb::Snapshot* snapshot) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  return options;
}

}  // namespace

WriteBatch::WriteBatch() : batch_(std::make_unique<rocksdb::WriteBatch>()) {}
WriteBatch::WriteBatch(WriteBatch&&) noexcept = default;
WriteBatch& WriteBatch::operator=(WriteBatch&&) noexcept = default;
WriteBatch::~WriteBatch() = default;

// RocksDB refuses a write only where the batch has a size limit; ours has none.
void WriteBatch::put(std::string_view key, std::string_view value) {
  ROX_CHECK(batch_->Put(slice(key), slice(value)).ok());
}
void WriteBatch::erase(std::string_view key) { ROX_CHECK(batch_->Delete(slice(key)).ok()); }
void WriteBatch::erase_range(std::string_view begin, std::string_view end) {
  ROX_CHECK(batch_->DeleteRange(slice(begin), slice(end)).ok());
}
size_t WriteBatch::bytes() const { return batch_->GetDataSize(); }

class KeyValueStore::FailureListener final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    const std::lock_guard lock(mutex_);
    if (first_.is_ok()) first_ = from_rocksdb(*error, "work in the background");
  }
  // Never tried again: after a failed sync nothing is known (keeps D6), and RocksDB 7.8 asserts or
  // hangs where it resumes by itself after a full disk.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
  Status first() const {
    const std::lock_guard lock(mutex_);
    return first_;
  }

 private:
  mutable std::mutex mutex_;  // guards first_
  Status first_;
};

KeyValueStore::KeyValueStore() : failures_(std::make_shared<FailureListener>()) {}

Result<std::shared_ptr<KeyValueStore>> KeyValueStore::open(FileSystem& file_system,
                                                           const std::string& path,
                                                           const Options& options) {
  std::shared_ptr<KeyValueStore> store(new KeyValueStore());
  store->env_ = std::make_unique<StoreEnv>(file_system);
  rocksdb::Options rocksdb_options = make_options(store->env_.get(), options);
  rocksdb_options.listeners.push_back(store->failures_);
  rocksdb::Status status;
  rocksdb::DB* db = nullptr;
  if (options.read_only) {
    // Beside a live writer files come and go between RocksDB's looks at them: what was opened, and
    // what was found wrong, counts only if the folder was the same before and after.
    for (int i = 0; i < kReadOnlyOpenTries; ++i) {
      const std::string before = folder_state(file_system, path);
      status = rocksdb::DB::OpenForReadOnly(rocksdb_options, path, &db);
      if (folder_state(file_system, path) == before) break;
      if (i + 1 < kReadOnlyOpenTries) {
        delete db;
        db = nullptr;
        file_system.sleep_us(kReadOnlyOpenPauseUs);
      }
    }
  } else {
    status = rocksdb::DB::Open(rocksdb_options, path, &db);
  }
  if (!status.ok()) return from_rocksdb(status, "open " + path);
  store->db_.reset(db);
  return store;
}

KeyValueStore::~KeyValueStore() {
  if (db_ != nullptr) db_->Close().PermitUncheckedError();
}

KeyValueStore::Snapshot::Snapshot(std::shared_ptr<KeyValueStore> store)
    : store_(std::move(store)), snapshot_(store_->db_->GetSnapshot()) {}
KeyValueStore::Snapshot::~Snapshot() {
  if (snapshot_ != nullptr) store_->db_->ReleaseSnapshot(snapshot_);
}

KeyValueStore::Cursor::Cursor(std::unique_ptr<rocksdb::Iterator> iterator, std::string prefix)
    : iterator_(std::move(iterator)), prefix_(std::move(prefix)) {}
KeyValueStore::Cursor::Cursor(Cursor&&) noexcept = default;
KeyValueStore::Cursor::~Cursor() = default;
bool KeyValueStore::Cursor::valid() const {
  return iterator_->Valid() && iterator_->key().starts_with(slice(prefix_));
}
void KeyValueStore::Cursor::next() { iterator_->Next(); }
std::string_view KeyValueStore::Cursor::key() const {
  return {iterator_->key().data(), iterator_->key().size()};
}
std::string_view KeyValueStore::Cursor::value() const {
  return {iterator_->value().data(), iterator_->value().size()};
}
Status KeyValueStore::Cursor::status() const {
  return from_rocksdb(iterator_->status(), "read keys");
}

Result<std::optional<std::string>> KeyValueStore::get(std::string_view key,
                                                      const Snapshot* snapshot) const {
  std::string value;
  const rocksdb::Status status = db_->Get(
      read_options(snapshot != nullptr ? snapshot->snapshot_ : nullptr), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return from_rocksdb(status, "read a key");
  return std::optional<std::string>(std::move(value));
}

Result<std::vector<std::optional<std::string>>> KeyValueStore::get_many(
    const std::vector<std::string>& keys, const Snapshot* snapshot) const {
  std::vector<std::optional<std::string>> results(keys.size());
  if (keys.size() == 1) {  // the usual write: MultiGet() makes room for more keys, and sorts them
    ROX_ASSIGN_OR_RETURN(results[0], get(keys[0], snapshot));
    return results;
  }
  const rocksdb::ReadOptions options =
      read_options(snapshot != nullptr ? snapshot->snapshot_ : nullptr);
  const size_t count_max = std::min(kGetManyKeys, keys.size());
  std::vector<rocksdb::Slice> slices(count_max);
  std::vector<rocksdb::PinnableSlice> values(count_max);
  std::vector<rocksdb::Status> statuses(count_max);
  for (size_t first = 0; first < keys.size(); first += kGetManyKeys) {
    const size_t count = std::min(kGetManyKeys, keys.size() - first);
    for (size_t i = 0; i < count; ++i) slices[i] = slice(keys[first + i]);
    db_->MultiGet(options, db_->DefaultColumnFamily(), count, slices.data(), values.data(),
                  statuses.data());
    for (size_t i = 0; i < count; ++i) {
      if (statuses[i].ok()) {
        results[first + i] = values[i].ToString();
      } else if (!statuses[i].IsNotFound()) {
        return from_rocksdb(statuses[i], "read keys");
      }
      values[i].Reset();
    }
  }
  return results;
}

KeyValueStore::Cursor KeyValueStore::scan(std::string_view prefix, std::string_view start,
                                          const Snapshot* snapshot) const {
  std::unique_ptr<rocksdb::Iterator> iterator(
      db_->NewIterator(read_options(snapshot != nullptr ? snapshot->snapshot_ : nullptr)));
  iterator->Seek(slice(start.empty() ? prefix : start));
  return {std::move(iterator), std::string(prefix)};
}

Result<std::optional<std::string>> KeyValueStore::last_key(std::string_view prefix) const {
  // No key is longer than a prefix followed by this many 0xff bytes.
  std::string after(prefix);
  after.append(1024, '\xff');
  std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator({}));
  iterator->SeekForPrev(after);
  if (!iterator->status().ok()) return from_rocksdb(iterator->status(), "read keys");
  if (!iterator->Valid() || !iterator->key().starts_with(slice(prefix))) {
    return std::optional<std::string>();
  }
  return std::optional<std::string>(iterator->key().ToString());
}

Status KeyValueStore::write(WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  return from_rocksdb(db_->Write(options, batch.batch_.get()), "commit");
}

Status KeyValueStore::sync_log() { return from_rocksdb(db_->SyncWAL(), "sync the commit log"); }

Status KeyValueStore::flush() {
  rocksdb::FlushOptions options;
  options.wait = true;
  options.allow_write_stall = true;
  return from_rocksdb(db_->Flush(options), "flush");
}

Status KeyValueStore::verify_checksums() {
  return from_rocksdb(db_->VerifyChecksum(), "check the key files");
}

uint64_t KeyValueStore::buffered_bytes() const {
  uint64_t bytes = 0;
  db_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes);
  return bytes;
}

uint64_t KeyValueStore::bytes_in_memory() const {
  using Properties = rocksdb::DB::Properties;
  uint64_t sum = 0;
  for (const std::string* property : {&Properties::kBlockCacheUsage, &Properties::kSizeAllMemTables,
                                      &Properties::kEstimateTableReadersMem}) {
    uint64_t bytes = 0;
    if (db_->GetIntProperty(*property, &bytes)) sum += bytes;
  }
  return sum;
}

Status KeyValueStore::background_failure() const { return failures_->first(); }

Status KeyValueStore::close() {
  if (db_ == nullptr) return Status::ok();
  return from_rocksdb(db_->Close(), "close");
}

}  // namespace roxanne::storage
