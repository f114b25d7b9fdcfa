// Codes that change: what a checkpoint named comes back, whatever came after it; what is damaged is
// named.
#include "index/codes_keeper.h"

#include <gtest/gtest.h>

#include "index/test_disk_index.h"
#include "index/test_kept_codes.h"

namespace roxanne::index {
namespace {

using storage::Operation;
using storage::SimulatedFileSystem;
using storage::SimulatedRandom;

constexpr uint64_t kBlockHeaderBytes = 64;

class CodesKeeperTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(files_.create_directory("/db").is_ok()); }
  KeptCodes make(uint32_t pages = 6) {
    auto kept = KeptCodes::make(files_, ChangingGraph::make(pages, random_), options_);
    EXPECT_TRUE(kept.is_ok()) << kept.status().to_string();
    return std::move(kept).value();
  }
  KeptCodes open() {
    auto kept = KeptCodes::open(files_, options_);
    EXPECT_TRUE(kept.is_ok()) << kept.status().to_string();
    return std::move(kept).value();
  }
  // What a reader finds; a reader changes nothing.
  Result<uint64_t> read(SimulatedFileSystem& files) const {
    const uint64_t operations = files.operation_count();
    auto kept = KeptCodes::open(files, {});
    EXPECT_EQ(files.operation_count(), operations);
    if (!kept.is_ok()) return kept.status();
    return kept->changing.digest();
  }
  void expect_reads(uint64_t digest) {
    const auto found = read(files_);
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    EXPECT_EQ(*found, digest);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& file : files_.files()) names.push_back(file.path);
    return names;
  }
  // Some changes in several checkpoints, so that the log has several blocks.
  KeptCodes make_with_log(int checkpoints) {
    KeptCodes kept = make();
    for (int i = 0; i < checkpoints; ++i) {
      kept.changing.change(random_);
      EXPECT_TRUE(kept.checkpoint().is_ok());
    }
    return kept;
  }

  SimulatedFileSystem files_;
  SimulatedRandom random_{1};
  CodesOpenOptions options_ = kWritable;
};

TEST_F(CodesKeeperTest, ChangesComeBackAfterEachSave) {
  KeptCodes kept = make();
  expect_reads(kept.changing.digest());
  for (int step = 0; step < 300; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    kept.changing.change(random_);
    if (random_.below(40) == 0) kept.changing.change_codebook(random_);
    ASSERT_TRUE(kept.checkpoint().is_ok());
    expect_reads(kept.changing.digest());
    if (testing::Test::HasFailure()) return;
    if (random_.below(3) == 0) kept = open();
  }
  EXPECT_GT(kept.generation(), 3u) << "files of codes written anew";
}

TEST_F(CodesKeeperTest, WhatHasNotChangedIsNotWritten) {
  KeptCodes kept = make_with_log(3);
  const uint64_t operations = files_.operation_count();
  const auto numbers = kept.keeper->save(kept.changing.graph());
  ASSERT_TRUE(numbers.is_ok());
  EXPECT_EQ(*numbers, kept.pages->last_checkpoint().owner_numbers);
  EXPECT_EQ(files_.operation_count(), operations);
  kept.keeper->note_all();
  ASSERT_TRUE(kept.checkpoint().is_ok());
  EXPECT_EQ(kept.generation(), 1u);
  kept.keeper->note_page(0);
  ASSERT_TRUE(kept.checkpoint().is_ok());
  EXPECT_EQ(kept.generation(), 1u);
  EXPECT_EQ(kept.log_bytes(), 4096u);
}

// A save says no more than what has changed: a few pages are not the whole graph.
TEST_F(CodesKeeperTest, AFewChangesAreFewBytes) {
  KeptCodes kept = make(2000);
  const uint64_t codes_bytes = *files_.file_size(kKeptPaths.codes);
  kept.keeper->note_page(7);
  kept.keeper->note_page(1999);
  kept.keeper->note_cell(1);
  ASSERT_TRUE(kept.checkpoint().is_ok());
  EXPECT_EQ(kept.log_bytes(), 4096u);
  EXPECT_EQ(kept.keeper->bytes_written(), 4096u);
  EXPECT_EQ(kept.keeper->bytes_on_disk(), codes_bytes + 4096);
  EXPECT_EQ(*files_.file_size(kKeptPaths.log_of(0)), 4096u);
}

// Many pages take several blocks.
TEST_F(CodesKeeperTest, AllPagesComeBackFromALogOfManyBlocks) {
  KeptCodes kept = make(20000);
  for (int save = 0; save < 2; ++save) {
    kept.changing.change(random_);
    for (uint32_t page = 0; page < 4500; ++page) kept.keeper->note_page(page);
    ASSERT_TRUE(kept.checkpoint().is_ok());
    expect_reads(kept.changing.digest());
  }
  EXPECT_EQ(kept.generation(), 0u);
  EXPECT_GT(kept.log_bytes(), 2u << 20);
}

TEST_F(CodesKeeperTest, ALongLogIsReplacedByAFileOfCodes) {
  KeptCodes kept = make(100);
  uint64_t log_bytes_most = 0;
  for (int step = 0; step < 100; ++step) {
    kept.changing.change(random_);
    kept.changing.note_every_page();
    ASSERT_TRUE(kept.checkpoint().is_ok());
    log_bytes_most = std::max(log_bytes_most, kept.log_bytes());
    expect_reads(kept.changing.digest());
    if (testing::Test::HasFailure()) return;
    if (step % 10 == 0) kept = open();
  }
  const uint32_t last = kept.generation();
  EXPECT_GE(last, 2u);
  EXPECT_LE(log_bytes_most, 1u << 20);
  EXPECT_GE(log_bytes_most, (1u << 20) * 9 / 10);
  const std::vector<std::string> want = {kKeptPaths.codes_of(last), kKeptPaths.log_of(last),
                                         kKeptPaths.pages};
  EXPECT_EQ(names(), want);
  EXPECT_EQ(kept.keeper->bytes_on_disk(), *files_.file_size(want[0]) + *files_.file_size(want[1]));
}

TEST_F(CodesKeeperTest, ASaveWithoutACheckpointIsForgotten) {
  for (const bool writes_codes : {false, true}) {
    KeptCodes kept = make_with_log(2);
    const uint64_t digest = kept.changing.digest();
    const auto names_before = names();
    const uint64_t log_bytes = kept.log_bytes();
    kept.changing.change(random_);
    if (writes_codes) kept.changing.change_codebook(random_);
    ASSERT_TRUE(kept.keeper->save(kept.changing.graph()).is_ok());
    expect_reads(digest);
    kept = open();
    EXPECT_EQ(kept.changing.digest(), digest);
    EXPECT_EQ(names(), names_before);
    EXPECT_EQ(*files_.file_size(kKeptPaths.log_of(0)), log_bytes);
  }
}

// A checkpoint that failed is tried again, with more that has changed.
TEST_F(CodesKeeperTest, SavesAddUp) {
  KeptCodes kept = make();
  for (int round = 0; round < 20; ++round) {
    for (int save = 0; save < 3; ++save) {
      kept.changing.change(random_);
      if (random_.below(4) == 0) kept.changing.change_codebook(random_);
      ASSERT_TRUE(kept.keeper->save(kept.changing.graph()).is_ok());
    }
    ASSERT_TRUE(kept.checkpoint().is_ok());
    expect_reads(kept.changing.digest());
  }
}

TEST_F(CodesKeeperTest, OldFilesStayWhileOthersRead) {
  bool is_unread = false;
  options_.is_unread_elsewhere = [&] { return is_unread; };
  KeptCodes kept = make_with_log(2);
  const auto old_names = names();
  const storage::CheckpointRecord old_record = kept.pages->last_checkpoint();
  const uint64_t old_digest = kept.changing.digest();
  for (int i = 0; i < 2; ++i) {
    kept.changing.change_codebook(random_);
    ASSERT_TRUE(kept.checkpoint().is_ok());
    kept = open();
  }
  // Who read the header before can still read the rest.
  const auto opened = CodesKeeper::open(files_, kKeptPaths, changing_options(), old_record, {});
  ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
  EXPECT_EQ(digest_of(*opened->graph), old_digest);
  EXPECT_EQ(names().size(), old_names.size() + 2);
  uint64_t bytes = 0;
  for (const auto& file : files_.files()) bytes += file.path == kKeptPaths.pages ? 0 : file.size;
  EXPECT_EQ(kept.keeper->bytes_on_disk(), bytes);
  is_unread = true;
  kept.keeper->adopt();
  const std::vector<std::string> want = {kKeptPaths.codes_of(2), kKeptPaths.pages};
  EXPECT_EQ(names(), want);
  expect_reads(kept.changing.digest());
}

TEST_F(CodesKeeperTest, AReaderIsRefusedChanges) {
  static_cast<void>(make_with_log(2));
  auto reader = KeptCodes::open(files_, {});
  ASSERT_TRUE(reader.is_ok());
  reader->keeper->note_page(1);
  EXPECT_EQ(reader->keeper->save(reader->changing.graph()).status().code(), StatusCode::kReadOnly);
}

// --- Damage.

TEST_F(CodesKeeperTest, EveryByteOfTheLogCounts) {
  const KeptCodes kept = make_with_log(4);
  const uint64_t size = kept.log_bytes();
  ASSERT_GE(size, 4 * 4096u);
  for (uint64_t offset = 0; offset < size;
       offset += offset % 4096 < kBlockHeaderBytes ? 1 : 1 + random_.below(60)) {
    const auto damaged = files_.clone();
    const auto mask = std::byte{1} << static_cast<int>(random_.below(8));
    ASSERT_TRUE(damaged->flip_byte(kKeptPaths.log_of(0), offset, mask).is_ok());
    const Status status = read(*damaged).status();
    const uint64_t in_block = offset % 4096;
    const bool is_version = in_block >= 12 && in_block < 16;
    ASSERT_EQ(status.code(), is_version ? StatusCode::kUnsupported : StatusCode::kCorruption)
        << "offset " << offset << ": " << status.to_string();
    ASSERT_NE(status.message().find(kKeptPaths.log_of(0) + ": block at "), std::string::npos)
        << status.message();
  }
}

TEST_F(CodesKeeperTest, ALogThatIsCutShortIsNamed) {
  KeptCodes kept = make_with_log(3);
  const uint64_t size = kept.log_bytes();
  for (uint64_t left = 0; left < size; left += 1 + random_.below(300)) {
    const auto damaged = files_.clone();
    ASSERT_TRUE((*damaged->open(kKeptPaths.log_of(0), storage::OpenMode::kReadWrite))
                    ->truncate(left)
                    .is_ok());
    const Status status = read(*damaged).status();
    ASSERT_EQ(status.code(), StatusCode::kCorruption) << left << ": " << status.to_string();
    ASSERT_NE(status.message().find(kKeptPaths.log_of(0)), std::string::npos) << status.message();
  }
}

TEST_F(CodesKeeperTest, BytesAfterTheLogAreNobodys) {
  KeptCodes kept = make_with_log(3);
  const uint64_t digest = kept.changing.digest();
  const std::vector<std::byte> bytes(10000, std::byte{7});
  ASSERT_TRUE((*files_.open(kKeptPaths.log_of(0), storage::OpenMode::kReadWrite))
                  ->write(kept.log_bytes(), bytes)
                  .is_ok());
  expect_reads(digest);
  kept = open();
  EXPECT_EQ(*files_.file_size(kKeptPaths.log_of(0)), kept.log_bytes());
  EXPECT_EQ(kept.changing.digest(), digest);
}

TEST_F(CodesKeeperTest, MissingAndExchangedFilesAreNamed) {
  KeptCodes kept = make_with_log(3);
  const auto expect_named = [&](SimulatedFileSystem& files, const std::string& path) {
    const Status status = read(files).status();
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << status.to_string();
    EXPECT_NE(status.message().find(path + ": "), std::string::npos) << status.message();
  };
  for (const std::string& path : {kKeptPaths.codes, kKeptPaths.log_of(0)}) {
    const auto damaged = files_.clone();
    ASSERT_TRUE(damaged->remove(path).is_ok());
    expect_named(*damaged, path);
  }
  // Codes and log of another graph of the same shape.
  SimulatedRandom other_random(5);
  const auto exchanged = files_.clone();
  ASSERT_TRUE(write_disk_codes(*exchanged, kKeptPaths.codes,
                               ChangingGraph::make(6, other_random).graph(), 0)
                  .is_ok());
  expect_named(*exchanged, kKeptPaths.log_of(0));
  // A file of codes under the name of another generation.
  kept.changing.change_codebook(random_);
  ASSERT_TRUE(kept.checkpoint().is_ok());
  const auto renamed = files_.clone();
  ASSERT_TRUE(write_disk_codes(*renamed, kKeptPaths.codes_of(1), kept.changing.graph(), 2).is_ok());
  expect_named(*renamed, kKeptPaths.codes_of(1));
  // Another one of the right generation, not what the checkpoint was made with.
  ASSERT_TRUE(write_disk_codes(*renamed, kKeptPaths.codes_of(1),
                               ChangingGraph::make(6, other_random).graph(), 1)
                  .is_ok());
  expect_named(*renamed, kKeptPaths.codes_of(1));
}

// --- Failures.

// Whatever room there is: what was checkpointed stays, and a save with room enough works.
TEST_F(CodesKeeperTest, AFullDiskLeavesAllAsItWas) {
  for (const bool writes_codes : {false, true}) {
    for (uint64_t pages_left = 0; pages_left < 10; ++pages_left) {
      SCOPED_TRACE(std::to_string(pages_left) + " pages left");
      KeptCodes kept = make_with_log(static_cast<int>(random_.below(3)));
      const uint64_t digest = kept.changing.digest();
      kept.changing.change(random_);
      kept.changing.note_every_page();
      if (writes_codes) kept.changing.change_codebook(random_);
      uint64_t used = 0;
      for (const auto& file : files_.files()) {
        used += *(*files_.open(file.path, storage::OpenMode::kRead))->allocated_bytes();
      }
      files_.set_capacity_bytes(used + pages_left * 4096);
      const Status status = kept.keeper->save(kept.changing.graph()).status();
      EXPECT_TRUE(status.is_ok() || status.code() == StatusCode::kDiskFull) << status.to_string();
      EXPECT_TRUE(status.is_ok() || *files_.free_bytes("/db") == pages_left * 4096);
      EXPECT_TRUE(!status.is_ok() || pages_left > 0);
      expect_reads(digest);
      files_.set_capacity_bytes(1u << 30);
      kept.changing.change(random_);
      ASSERT_TRUE(kept.checkpoint().is_ok());
      expect_reads(kept.changing.digest());
      if (testing::Test::HasFailure()) return;
      for (const std::string& name : names()) ASSERT_TRUE(files_.remove(name).is_ok());
    }
  }
}

// Where another file of codes finds no room the log grows on.
TEST_F(CodesKeeperTest, ALogMayGrowOnAFullDisk) {
  KeptCodes kept = make(1000);
  kept.changing.note_every_page();
  ASSERT_TRUE(kept.checkpoint().is_ok());
  const uint32_t generation = kept.generation();
  ASSERT_GT(kept.log_bytes(), 100'000u);
  files_.inject({.operation = Operation::kAllocate,
                 .code = StatusCode::kDiskFull,
                 .sticky = true,
                 .path_contains = kKeptPaths.codes_of(generation + 1)});
  for (int save = 0; save < 8; ++save) {
    kept.changing.note_every_page();
    ASSERT_TRUE(kept.checkpoint().is_ok());
  }
  EXPECT_EQ(kept.generation(), generation);
  EXPECT_GT(kept.log_bytes(), 1u << 20);
  expect_reads(kept.changing.digest());
  files_.clear_faults();
  kept.keeper->note_page(1);
  ASSERT_TRUE(kept.checkpoint().is_ok());
  EXPECT_EQ(kept.generation(), generation + 1);
  expect_reads(kept.changing.digest());
}

// At rest a log that is not full yet goes, too; once, where there is no room for that.
TEST_F(CodesKeeperTest, AtRestALongLogIsShortened) {
  KeptCodes kept = make(1000);
  EXPECT_FALSE(kept.keeper->is_log_long());
  while (!kept.keeper->is_log_long()) {
    ASSERT_LT(kept.log_bytes(), 1u << 19);
    kept.changing.note_every_page();
    ASSERT_TRUE(kept.checkpoint().is_ok());
  }
  const uint32_t generation = kept.generation();
  const uint64_t log_bytes = kept.log_bytes();
  files_.inject({.operation = Operation::kAllocate,
                 .code = StatusCode::kDiskFull,
                 .sticky = true,
                 .path_contains = kKeptPaths.codes_of(generation + 1)});
  kept.keeper->shorten_log();
  ASSERT_TRUE(kept.checkpoint().is_ok());
  EXPECT_EQ(kept.generation(), generation);
  EXPECT_EQ(kept.log_bytes(), log_bytes) << "nothing has changed";
  EXPECT_FALSE(kept.keeper->is_log_long()) << "it is not tried again and again";
  expect_reads(kept.changing.digest());
  files_.clear_faults();
  kept.changing.note_every_page();
  ASSERT_TRUE(kept.checkpoint().is_ok());
  ASSERT_TRUE(kept.keeper->is_log_long());
  kept.keeper->shorten_log();
  ASSERT_TRUE(kept.checkpoint().is_ok());
  EXPECT_EQ(kept.generation(), generation + 1);
  EXPECT_EQ(kept.log_bytes(), 0u);
  EXPECT_FALSE(kept.keeper->is_log_long());
  expect_reads(kept.changing.digest());
  kept = open();
  ASSERT_TRUE(kept.checkpoint().is_ok());
  EXPECT_EQ(kept.generation(), generation + 1) << "asked for once";
}

// Keeps D6: after a failed write or sync nothing is written any more.
TEST_F(CodesKeeperTest, AFailedWriteStopsWriting) {
  for (const bool writes_codes : {false, true}) {
    for (const Operation operation :
         {Operation::kCreate, Operation::kWrite, Operation::kSync, Operation::kSyncDirectory}) {
      for (const StatusCode code : {StatusCode::kIoError, StatusCode::kDiskFull}) {
        const bool may_go_on = code == StatusCode::kDiskFull && operation != Operation::kSync &&
                               operation != Operation::kSyncDirectory;
        if (may_go_on || (writes_codes && operation == Operation::kSync)) continue;
        KeptCodes kept = make();
        const uint64_t digest = kept.changing.digest();
        kept.changing.change(random_);
        kept.keeper->note_page(0);
        if (writes_codes) kept.changing.change_codebook(random_);
        files_.inject({.operation = operation, .code = code});
        const Status status = kept.keeper->save(kept.changing.graph()).status();
        EXPECT_EQ(status.code(), StatusCode::kIoError) << status.to_string();
        const Status again = kept.keeper->save(kept.changing.graph()).status();
        EXPECT_EQ(again.code(), StatusCode::kReadOnly);
        EXPECT_NE(again.message().find("injected fault"), std::string::npos) << again.message();
        expect_reads(digest);
        kept = open();
        EXPECT_EQ(kept.changing.digest(), digest);
        for (const std::string& name : names()) ASSERT_TRUE(files_.remove(name).is_ok());
      }
    }
  }
}

// --- As a part of an index.

TEST(CodesKeeperOfAnIndex, NumbersChangeAndSearchesStayTheSame) {
  SimulatedFileSystem files;
  ASSERT_TRUE(files.create_directory("/db").is_ok());
  const NamedRows rows(make_test_rows(ScalarType::kU8, 700, 16, 1));
  const TestRows queries = make_test_rows(ScalarType::kU8, 20, 16, 2);
  auto built = build_disk(files, "/db", rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  const SearchedDisk searched(rows, Metric::kL2, queries);
  const auto answers = searched.search(**built, {.search_list_size = 30});
  std::unique_ptr<DiskIndex> index = *std::move(built);
  for (uint32_t round = 0; round < 4; ++round) {
    DiskGraph& graph = index->graph();
    graph.list_sizes.at_small_k = 40 + round;
    if (round % 2 == 1) index->codes_keeper()->note_all();
    const auto numbers = index->codes_keeper()->save(graph);
    ASSERT_TRUE(numbers.is_ok()) << numbers.status().to_string();
    ASSERT_TRUE(index->pages().checkpoint({round, *numbers}).is_ok());
    index->codes_keeper()->adopt();
    auto opened =
        DiskIndex::open(files, disk_paths("/db"), rows.options(Metric::kL2), {.read_only = false});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    index = *std::move(opened);
    EXPECT_EQ(index->default_search_list_size(), 40 + round);
    expect_same(searched.search(*index, {.search_list_size = 30}), answers);
    expect_sound(*index, rows);
  }
  EXPECT_FALSE(*files.exists(disk_paths("/db").codes));
  EXPECT_TRUE(*files.exists(disk_paths("/db").codes_of(2)));
}

TEST(DiskPaths, TheirFilesAreKnownByName) {
  const DiskPaths paths = {"/db/graph-000001.pages", "/db/graph-000001.codes"};
  for (const uint32_t generation : {0u, 1u, 17u, UINT32_MAX}) {
    EXPECT_EQ(paths.generation_of(paths.codes_of(generation)), generation);
    EXPECT_EQ(paths.generation_of(paths.log_of(generation)), generation);
    EXPECT_TRUE(paths.include(paths.log_of(generation)));
  }
  EXPECT_EQ(paths.codes_of(0), paths.codes);
  EXPECT_TRUE(paths.include(paths.pages));
  for (const char* other :
       {"", ".0", ".01", ".1x", ".4294967296", "1", ".lo", ".log.", ".", ".-1"}) {
    const std::string path = "/db/graph-000001.codes" + std::string(other);
    EXPECT_EQ(paths.include(path), path == paths.codes) << path;
  }
  EXPECT_FALSE(paths.include("/db/graph-000002.codes"));
}

}  // namespace
}  // namespace roxanne::index
