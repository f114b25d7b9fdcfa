// Graphs that serve from disk, through the public door: built with little memory, changed under,
// opened again elsewhere, damaged.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "graph_fixture.h"

namespace roxanne {
namespace {

using testing_support::Answers;
using testing_support::answers_of;
using testing_support::checked_recall;
using testing_support::numbers;
using testing_support::regime_of;

class DiskTest : public testing_support::SmallGraphTest {
 protected:
  Collection make_wide(size_t points) {
    return make(points, {.dim = 1024, .type = ScalarType::kU8});
  }
  std::string graph_file(const std::string& ending) const {
    for (const std::string& name : graph_files()) {
      if (name.ends_with(ending)) return folder() + name;
    }
    return "";
  }
};

// As much memory as it takes, and not a resident graph's.
TEST_F(DiskTest, AMemoryLimitThatHoldsNoResidentGraphServesFromDisk) {
  Collection collection = make_wide(10000);
  DatabaseOptions options = small_graphs();
  Status built;
  for (options.memory_limit_bytes = 64u << 20; options.memory_limit_bytes < (256u << 20);
       options.memory_limit_bytes += 4u << 20) {
    collection = reopen(options);
    built = collection.build_index();
    if (built.code() != StatusCode::kUnsupported) break;
  }
  ASSERT_TRUE(built.is_ok()) << built.to_string();
  ASSERT_EQ(regime_of(collection), "disk") << "with " << options.memory_limit_bytes;
  EXPECT_GE(recall(collection), kRecallMin);
  const auto info = collection.info();
  EXPECT_EQ(info->index.points, 10000u);
  uint64_t bytes = 0;
  for (const MemoryPart& part : info->memory) bytes += part.bytes;
  EXPECT_EQ(bytes, info->bytes_in_memory);
  EXPECT_LT(bytes, options.memory_limit_bytes);
  const MatrixView some = queries(20);
  SearchStats stats;
  const Answers answers = answers_of(collection, some, {.stats = &stats});
  EXPECT_EQ(stats.queries, 20u);
  EXPECT_GE(stats.reads + stats.cache_hits, 20u);
  const auto files = graph_files();
  EXPECT_EQ(files.size(), 2u);
  // It is not built again: by an open with as much memory, nor by one with more.
  collection = reopen(options);
  EXPECT_EQ(answers_of(collection, some), answers);
  EXPECT_EQ(regime_of(collection), "disk");
  collection = reopen();
  EXPECT_EQ(answers_of(collection, some), answers);
  EXPECT_EQ(regime_of(collection), "disk");
  EXPECT_EQ(graph_files(), files);
  expect_sound();
}

TEST_F(DiskTest, MoreMemoryMakesTheOtherFormToo) {
  Collection collection = make(2000);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  EXPECT_EQ(regime_of(collection), "disk");
  const auto files = graph_files();
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(regime_of(collection), "resident");
  EXPECT_GE(recall(collection), kRecallMin);
  auto both = files;
  both.insert(files.begin()->substr(0, files.begin()->find('.')) + ".dat");
  EXPECT_EQ(graph_files(), both) << "the disk form is the same";
  expect_sound();
  collection = reopen();
  EXPECT_EQ(regime_of(collection), "resident");
  EXPECT_GE(recall(collection), kRecallMin);
}

// One folder, two machines.
TEST_F(DiskTest, AFolderOfBothFormsServesByTheMemoryThereIs) {
  Collection collection = make_wide(3500);
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(regime_of(collection), "resident");
  const auto files = graph_files();
  EXPECT_EQ(files.size(), 3u);
  const MatrixView some = queries(30);
  const SearchOptions thorough{.k = 10, .search_list_size = 400};
  const Answers resident = answers_of(collection, some, thorough);
  DatabaseOptions little = small_graphs();
  little.memory_limit_bytes = 32u << 20;
  little.thread_count = 1;
  for (const bool read_only : {false, true}) {
    little.read_only = read_only;
    collection = reopen(little);
    const Answers disk = answers_of(collection, some, thorough);
    EXPECT_EQ(regime_of(collection), "disk");
    size_t same = 0;
    for (size_t q = 0; q < some.rows(); ++q) same += disk[q] == resident[q] ? 1 : 0;
    EXPECT_GE(same, some.rows() * 9 / 10);
    EXPECT_GE(checked_recall(collection, some), kRecallMin);
  }
  collection = reopen();
  EXPECT_EQ(answers_of(collection, some, thorough), resident);
  EXPECT_EQ(regime_of(collection), "resident");
  EXPECT_EQ(graph_files(), files);
}

// Until the graph is loaded nobody knows which slots it names: a block of new ones each time.
TEST_F(DiskTest, OpeningToWriteALittleLeavesLittleBehind) {
  Collection collection = make_wide(6000);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  collection = reopen();
  const std::string file = folder() + "vectors.dat";
  const auto before = std::filesystem::file_size(file);
  for (uint64_t i = 0; i < 10; ++i) {
    add(collection, 3 * i, 3);
    collection = reopen();
  }
  EXPECT_LE(std::filesystem::file_size(file), before + 10 * (272u << 10));
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
}

// So much has gone that a new graph would cost less, but there is no memory for that.
TEST_F(DiskTest, WhereNoBuildFitsTheGraphTakesInWhatCame) {
  Collection collection = make(20000, {.dim = 128, .type = ScalarType::kU8});
  ASSERT_TRUE(collection.build_index(kOnDisk));
  DatabaseOptions little = small_graphs();
  little.memory_limit_bytes = 32u << 20;
  little.thread_count = 2;
  little.automatic_index = false;
  collection = reopen(little);
  ASSERT_TRUE(collection.erase(numbers(12000)).is_ok());
  EXPECT_EQ(collection.build_index({.rebuild = true}).code(), StatusCode::kUnsupported);
  const Status done = collection.build_index();
  ASSERT_TRUE(done.is_ok()) << done.to_string();
  const auto info = collection.info();
  EXPECT_EQ(info->regime, "disk");
  EXPECT_EQ(info->index.points, 8000u);
  EXPECT_EQ(info->index.dead_nodes, 0u);
  EXPECT_EQ(info->index_error, "");
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
}

TEST_F(DiskTest, AGraphOnDiskBecomesResidentWhereMemoryAllows) {
  Collection collection = make(1500);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  const MatrixView some = queries(30);
  EXPECT_GE(checked_recall(collection, some), kRecallMin);
  EXPECT_EQ(regime_of(collection), "disk");
  // Of the edges in the pages: the files of the disk form stay as they are, under the same number.
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(regime_of(collection), "resident");
  EXPECT_EQ(graph_files().size(), 3u);
  EXPECT_GE(checked_recall(collection, some), kRecallMin);
  collection = reopen();
  EXPECT_GE(checked_recall(collection, some), kRecallMin);
  EXPECT_EQ(regime_of(collection), "resident");
  expect_sound();
}

TEST_F(DiskTest, ACopiedFolderGivesTheSameAnswers) {
  Collection collection = make(1500);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  ASSERT_EQ(*collection.erase(numbers(40)), 40u);
  add(collection, 3000, 60);
  const MatrixView some = queries(40);
  const Answers answers = answers_of(collection, some);
  ASSERT_TRUE(database_.close());
  const std::string copy = directory_.path() + "/copy.rox";
  std::filesystem::copy(directory_.database(), copy, std::filesystem::copy_options::recursive);
  DatabaseOptions options = small_graphs();
  options.read_only = true;
  options.create_if_missing = false;
  Database reader = testing_support::open_or_die(copy, options);
  EXPECT_EQ(answers_of(*reader.collection(), some), answers);
  EXPECT_EQ(regime_of(*reader.collection()), "disk");
  testing_support::expect_sound(reader);
  database_ = open_database();
  EXPECT_EQ(answers_of(*database_.collection(), some), answers);
}

// However few are alive, k are found, and they are the nearest there are.
TEST_F(DiskTest, MostlyDeletedGraphsKeepThePromiseOfK) {
  Collection collection = make(3000);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  ASSERT_EQ(*collection.erase(numbers(2700)), 2700u);
  EXPECT_EQ(regime_of(collection), "disk");
  EXPECT_GE(recall(collection), 0.8);
  EXPECT_EQ(recall(collection, {.k = 300}), 1.0);
  ASSERT_EQ(*collection.erase(numbers(80, 2700)), 80u);
  EXPECT_GE(recall(collection), 0.8);
  EXPECT_EQ(recall(collection, {.k = 1000}), 1.0);
  expect_sound();
}

// A page that is damaged fails the searches that want it, and heals.
TEST_F(DiskTest, DamageIsFoundAndHealed) {
  Collection collection = make(2000);
  for (const bool on_disk_alone : {true, false}) {
    for (const std::string ending : {".pages", ".codes"}) {
      SCOPED_TRACE(ending + (on_disk_alone ? " alone" : " beside the other form"));
      add(collection, 0, 10);
      ASSERT_TRUE(collection.build_index(on_disk_alone ? kOnDisk : IndexOptions{.rebuild = true}));
      ASSERT_TRUE(database_.close());
      const std::string path = graph_file(ending);
      {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        // Pages are all over the file; codes end it.
        const uint64_t size = std::filesystem::file_size(path);
        const auto at = static_cast<std::streamoff>(ending == ".pages" ? size / 2 : size - 100);
        file.seekg(at);
        const char byte = static_cast<char>(file.get() ^ 1);
        file.seekp(at);
        file.put(byte);
      }
      database_ = open_database();
      collection = *database_.collection();
      size_t failed = 0;
      const MatrixView some = queries(60);
      for (size_t q = 0; q < some.rows(); ++q) {
        const auto found = collection.search(some.slice(q, 1));
        if (found.is_ok()) continue;
        ++failed;
        EXPECT_EQ(found.status().code(), StatusCode::kCorruption);
        EXPECT_NE(found.status().message().find(path), std::string::npos);
      }
      EXPECT_EQ(failed > 0, on_disk_alone && ending == ".pages");
      EXPECT_LT(failed, some.rows() / 2) << "others go on";
      const auto report = database_.verify();
      ASSERT_TRUE(report.is_ok());
      ASSERT_GE(report->problems.size(), 1u);
      EXPECT_NE(report->problems[0].find(path), std::string::npos) << report->problems[0];
      const auto repaired = database_.verify({.repair = true});
      ASSERT_TRUE(repaired.is_ok());
      EXPECT_EQ(repaired->repaired.size(), 1u);
      EXPECT_EQ(regime_of(collection), "resident");
      EXPECT_GE(recall(collection), kRecallMin);
      expect_sound();
    }
  }
}

}  // namespace
}  // namespace roxanne
