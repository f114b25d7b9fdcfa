#include "storage/rocksdb_file_system.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include "storage/simulated_file_system.h"
#include "storage/test_directory.h"
#include "storage/test_fault_places.h"

namespace roxanne::storage {
namespace {

constexpr int kPutCount = 30;
constexpr uint64_t kRandomSeedCount = 8;
constexpr const char* kFolder = "/db";

std::string key(int i) { return "key" + std::to_string(1000 + i); }
// Some values span sectors, so that a torn write cuts through a record.
std::string value(int i) {
  return std::string(i % 5 == 0 ? 1500 : 40, static_cast<char>('a' + i % 26));
}

rocksdb::Options make_options(rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.track_and_verify_wals_in_manifest = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.write_buffer_size = 1 << 16;
  options.max_background_jobs = 1;
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// After a failed flush RocksDB sleeps for a second before anything else; here nobody waits for it.
class ImpatientEnv final : public rocksdb::EnvWrapper {
 public:
  explicit ImpatientEnv(const std::shared_ptr<rocksdb::FileSystem>& files)
      : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
  }
  void SleepForMicroseconds(int) override {}
};

// A database on a FileSystem.
class Store {
 public:
  Store(FileSystem& files, const std::string& path)
      : env_(std::make_unique<ImpatientEnv>(make_rocksdb_file_system(files))) {
    rocksdb::DB* db = nullptr;
    status_ = from_rocksdb(rocksdb::DB::Open(make_options(env_.get()), path, &db), "open " + path);
    db_.reset(db);
  }
  const Status& status() const { return status_; }
  rocksdb::DB& db() { return *db_; }
  Status put(int i) {
    rocksdb::WriteOptions options;
    options.sync = true;
    return from_rocksdb(db_->Put(options, key(i), value(i)), "put");
  }
  bool has(int i) {
    std::string found;
    return db_->Get({}, key(i), &found).ok() && found == value(i);
  }

 private:
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  Status status_;
};

std::unique_ptr<SimulatedFileSystem> make_files(uint64_t seed) {
  auto files = std::make_unique<SimulatedFileSystem>(seed);
  EXPECT_TRUE(files->create_directory(kFolder).is_ok());
  EXPECT_TRUE(files->sync_directory("/").is_ok());
  return files;
}

// Puts until one fails, with a flush on the way; returns how many were acknowledged.
int run_script(SimulatedFileSystem& files) {
  Store store(files, kFolder);
  if (!store.status().is_ok()) return 0;
  for (int i = 0; i < kPutCount; ++i) {
    if (i == kPutCount / 2 && !store.db().Flush({}).ok()) return i;
    if (!store.put(i).is_ok()) return i;
  }
  return kPutCount;
}

void expect_acknowledged(SimulatedFileSystem& files, int acknowledged) {
  Store store(files, kFolder);
  ASSERT_TRUE(store.status().is_ok()) << store.status().to_string();
  for (int i = 0; i < acknowledged; ++i) ASSERT_TRUE(store.has(i)) << "put " << i << " is lost";
  // Of what was not acknowledged, at most the put under way may be there.
  for (int i = acknowledged + 1; i < kPutCount; ++i) ASSERT_FALSE(store.has(i)) << "put " << i;
  ASSERT_TRUE(store.put(acknowledged).is_ok());
}

TEST(RocksdbFileSystem, ServesADatabaseOnTheSystemsFiles) {
  TestDirectory directory;
  const std::string path = directory.path("db");
  {
    Store store(posix_file_system(), path);
    ASSERT_TRUE(store.status().is_ok()) << store.status().to_string();
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(store.put(i).is_ok());
    ASSERT_TRUE(store.db().Flush({}).ok());
    ASSERT_TRUE(store.db().CompactRange({}, nullptr, nullptr).ok());
    ASSERT_TRUE(store.put(100).is_ok());
    ASSERT_TRUE(store.db().SyncWAL().ok());

    Store second(posix_file_system(), path);
    EXPECT_EQ(second.status().code(), StatusCode::kLocked);
    EXPECT_NE(second.status().message().find("in use by process"), std::string::npos);
  }
  Store store(posix_file_system(), path);
  ASSERT_TRUE(store.status().is_ok()) << store.status().to_string();
  for (int i = 0; i <= 100; ++i) EXPECT_TRUE(store.has(i)) << i;
  const auto names = posix_file_system().list(path);
  ASSERT_TRUE(names.is_ok());
  for (const std::string& name : *names) {
    EXPECT_EQ(name.find("LOG"), std::string::npos) << name;
  }
}

TEST(RocksdbFileSystem, OpensReadOnlyWithoutWriting) {
  const auto files = make_files(1);
  ASSERT_EQ(run_script(*files), kPutCount);
  const uint64_t before = files->operation_count();
  const auto env = rocksdb::NewCompositeEnv(make_rocksdb_file_system(*files));
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::OpenForReadOnly(make_options(env.get()), kFolder, &opened).ok());
  std::unique_ptr<rocksdb::DB> db(opened);
  std::string found;
  EXPECT_TRUE(db->Get({}, key(3), &found).ok());
  db.reset();
  for (const auto& file : files->files()) {
    EXPECT_EQ(file.path.find("LOG."), std::string::npos) << file.path;
  }
  EXPECT_EQ(files->operation_count(), before);
}

TEST(RocksdbFileSystem, FullDiskAndFailedSyncComeBackAsSuch) {
  const auto files = make_files(1);
  Store store(*files, kFolder);
  ASSERT_TRUE(store.put(0).is_ok());
  files->inject({Operation::kWrite, 1, StatusCode::kDiskFull, true, ".log"});
  const Status full = store.put(1);
  EXPECT_EQ(full.code(), StatusCode::kDiskFull) << full.to_string();
  EXPECT_NE(full.message().find("injected fault"), std::string::npos) << full.to_string();

  const auto other_files = make_files(1);
  Store other(*other_files, kFolder);
  other_files->inject({Operation::kSync, 1, StatusCode::kIoError, false, ".log"});
  EXPECT_EQ(other.put(0).code(), StatusCode::kIoError);
  EXPECT_FALSE(other.put(1).is_ok());  // RocksDB takes no more writes
}

TEST(RocksdbFileSystem, StatusesMapBack) {
  using rocksdb::Status;
  const auto code = [](const Status& status) { return from_rocksdb(status, "x").code(); };
  EXPECT_EQ(code(Status::OK()), StatusCode::kOk);
  EXPECT_EQ(code(Status::Corruption("c")), StatusCode::kCorruption);
  EXPECT_EQ(code(Status::NoSpace()), StatusCode::kDiskFull);
  EXPECT_EQ(code(Status::SpaceLimit()), StatusCode::kDiskFull);
  EXPECT_EQ(code(Status::NotFound()), StatusCode::kNotFound);
  EXPECT_EQ(code(Status::PathNotFound()), StatusCode::kNotFound);
  EXPECT_EQ(code(Status::Busy()), StatusCode::kLocked);
  EXPECT_EQ(code(Status::InvalidArgument("i")), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Status::NotSupported("n")), StatusCode::kUnsupported);
  EXPECT_EQ(code(Status::ShutdownInProgress()), StatusCode::kCancelled);
  EXPECT_EQ(code(Status::IOError("e")), StatusCode::kIoError);
  EXPECT_EQ(from_rocksdb(Status::Corruption("block 7"), "read key k").to_string(),
            "corruption: read key k: block 7");
}

TEST(RocksdbFileSystem, DamagedBlockIsCorruption) {
  const auto files = make_files(1);
  ASSERT_EQ(run_script(*files), kPutCount);
  for (const auto& file : files->files()) {
    if (file.path.find(".sst") == std::string::npos) continue;
    ASSERT_TRUE(files->flip_byte(file.path, 100, std::byte{0x10}).is_ok());
  }
  Store store(*files, kFolder);
  ASSERT_TRUE(store.status().is_ok()) << store.status().to_string();
  std::string found;
  EXPECT_EQ(from_rocksdb(store.db().Get({}, key(0), &found), "get").code(),
            StatusCode::kCorruption);
}

uint64_t log_bytes(FileSystem& files) {
  uint64_t bytes = 0;
  const auto names = files.list(kFolder);
  EXPECT_TRUE(names.is_ok());
  for (const std::string& name : *names) {
    if (name.ends_with(".log")) bytes += *files.file_size(std::string(kFolder) + "/" + name);
  }
  return bytes;
}

// So that a sync of it need not write the inode.
TEST(RocksdbFileSystem, LogsGrowAheadOfWhatIsLogged) {
  const auto files = make_files(1);
  std::unique_ptr<SimulatedFileSystem> killed;
  {
    Store store(*files, kFolder);
    ASSERT_TRUE(store.put(0).is_ok());
    const uint64_t bytes = log_bytes(*files);
    EXPECT_EQ(bytes, 32u << 10);
    for (int i = 1; i < kPutCount; ++i) ASSERT_TRUE(store.put(i).is_ok());
    EXPECT_EQ(log_bytes(*files), bytes);
    // A copy takes what is logged, not what will be.
    std::vector<rocksdb::LiveFileStorageInfo> live;
    rocksdb::LiveFilesStorageInfoOptions no_flush;
    no_flush.wal_size_for_flush = UINT64_MAX;
    ASSERT_TRUE(store.db().GetLiveFilesStorageInfo(no_flush, &live).ok());
    for (const auto& file : live) {
      if (file.file_type != rocksdb::kWalFile) continue;
      EXPECT_LT(file.size, 20u << 10);
    }
    killed = files->clone();
  }
  expect_acknowledged(*files, kPutCount);
  expect_acknowledged(*killed, kPutCount);
}

TEST(RocksdbFileSystem, LogsGoOnWhereThereIsNoRoomAhead) {
  const auto files = make_files(1);
  {
    Store store(*files, kFolder);
    files->inject({Operation::kWrite, 1, StatusCode::kDiskFull, false, ".log"});
    for (int i = 0; i < kPutCount; ++i) ASSERT_TRUE(store.put(i).is_ok());
  }
  expect_acknowledged(*files, kPutCount);
}

// Power is cut at every single change of the disk that the script makes.
TEST(RocksdbFileSystem, EveryAcknowledgedPutSurvivesEveryPowerCut) {
  uint64_t operation_count = 0;
  {
    const auto files = make_files(0);
    const uint64_t before = files->operation_count();
    ASSERT_EQ(run_script(*files), kPutCount);
    operation_count = files->operation_count() - before;
  }
  ASSERT_GT(operation_count, 2u * kPutCount);
  for (uint64_t n = 1; n <= operation_count; n += kPlacesApart) {
    const auto files = make_files(n);
    files->set_crash_at(n);
    const int acknowledged = run_script(*files);
    const auto check = [&](uint64_t seed, PowerCutPolicy policy) {
      SCOPED_TRACE("cut at " + std::to_string(n) + ", policy " +
                   std::to_string(static_cast<int>(policy)) + ", seed " + std::to_string(seed));
      const auto copy = files->clone();
      copy->power_cycle(seed, policy);
      expect_acknowledged(*copy, acknowledged);
    };
    check(0, PowerCutPolicy::kDropAll);
    check(0, PowerCutPolicy::kKeepAll);
    for (uint64_t seed = 1; seed <= kRandomSeedCount; ++seed) {
      check(seed * 1000 + n, PowerCutPolicy::kRandom);
    }
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace roxanne::storage
