// Graphs that serve from disk, through the public door: built with little memory, changed under,
// opened again elsewhere, damaged.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "roxanne/roxanne.h"
#include "small_graphs.h"
#include "temporary_directory.h"

namespace roxanne {
namespace {

using testing_support::checked_recall;
using testing_support::numbers;
using testing_support::RowMaker;
using testing_support::TemporaryDirectory;

constexpr size_t kDim = 24;
constexpr uint64_t kPointsMin = 200;
constexpr double kRecallMin = 0.9;
// On disk alone, however little there is.
const IndexOptions kOnDisk = {.rebuild = true, .serving_memory_bytes = 1};

DatabaseOptions small_graphs() {
  DatabaseOptions options;
  options.create_if_missing = true;
  options.thread_count = 2;
  options.automatic_index = false;
  options.index_points_min = kPointsMin;
  return options;
}

Database open_or_die(const std::string& path, const DatabaseOptions& options = small_graphs()) {
  auto database = Database::open(path, options);
  if (!database.is_ok()) ADD_FAILURE() << database.status().to_string();
  return std::move(database).value();
}

std::string regime_of(const Collection& collection) {
  const auto info = collection.info();
  if (!info.is_ok()) return info.status().to_string();
  return info->index_error.empty() ? info->regime : info->regime + ": " + info->index_error;
}

using Answers = std::vector<std::vector<std::pair<Key, float>>>;

Answers answers_of(const Collection& collection, const MatrixView& queries,
                   const SearchOptions& options = {}) {
  const auto found = collection.search(queries, options);
  if (!found.is_ok()) {
    ADD_FAILURE() << found.status().to_string();
    return {};
  }
  Answers answers;
  for (const auto& neighbors : *found) {
    answers.emplace_back();
    for (const Neighbor& one : neighbors) answers.back().emplace_back(one.key, one.distance);
  }
  return answers;
}

class DiskTest : public testing::Test {
 protected:
  DiskTest() : database_(open_or_die(directory_.database())) {}

  Collection make(size_t points, size_t dim = kDim) {
    dim_ = dim;
    maker_ = RowMaker(ScalarType::kU8, dim, 1);
    auto collection = database_.create_collection("default", {.dim = dim, .type = ScalarType::kU8});
    if (!collection.is_ok()) ADD_FAILURE() << collection.status().to_string();
    add(*collection, 0, points);
    return *collection;
  }
  void add(Collection& collection, uint64_t first, size_t count) {
    const auto rows = maker_.rows(count);
    const auto counts = collection.upsert(numbers(count, first),
                                          MatrixView(ScalarType::kU8, rows.data(), count, dim_));
    if (!counts.is_ok()) ADD_FAILURE() << counts.status().to_string();
  }
  MatrixView queries(size_t count) {
    query_rows_ = maker_.rows(count);
    return {ScalarType::kU8, query_rows_.data(), count, dim_};
  }
  double recall(const Collection& collection, const SearchOptions& options = {}) {
    return checked_recall(collection, queries(30), options);
  }
  Collection reopen(const DatabaseOptions& options = small_graphs()) {
    EXPECT_TRUE(database_.close());
    database_ = open_or_die(directory_.database(), options);
    return *database_.collection();
  }
  void expect_sound() {
    const auto report = database_.verify();
    ASSERT_TRUE(report.is_ok()) << report.status().to_string();
    for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
  }
  std::string folder() const { return directory_.database() + "/collections/000001/"; }
  std::set<std::string> graph_files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder())) {
      const std::string name = entry.path().filename();
      if (name.starts_with("graph-")) names.insert(name);
    }
    return names;
  }
  std::string graph_file(const std::string& ending) const {
    for (const std::string& name : graph_files()) {
      if (name.ends_with(ending)) return folder() + name;
    }
    return "";
  }

  TemporaryDirectory directory_;
  Database database_;
  size_t dim_ = kDim;
  RowMaker maker_{ScalarType::kU8, kDim, 1};
  std::vector<std::byte> query_rows_;
};

struct TypeCase {
  ScalarType type;
  Metric metric;
};
class DiskTypeTest : public testing::TestWithParam<TypeCase> {};

TEST_P(DiskTypeTest, FindsWhatAnExactSearchFinds) {
  const auto [type, metric] = GetParam();
  TemporaryDirectory directory;
  Database database = open_or_die(directory.database());
  auto collection = database.create_collection("default", {kDim, type, metric, KeyType::kU64});
  ASSERT_TRUE(collection.is_ok());
  RowMaker maker(type, kDim, 5);
  constexpr size_t kCount = 1500;
  const auto rows = maker.rows(kCount);
  ASSERT_TRUE(collection->upsert(numbers(kCount), MatrixView(type, rows.data(), kCount, kDim)));
  const Status built = collection->build_index(kOnDisk);
  ASSERT_TRUE(built.is_ok()) << built.to_string();
  EXPECT_EQ(regime_of(*collection), "disk");
  const auto query_rows = maker.rows(40);
  const MatrixView queries(type, query_rows.data(), 40, kDim);
  EXPECT_GE(checked_recall(*collection, queries), kRecallMin);
  EXPECT_GE(checked_recall(*collection, queries, {.k = 10, .search_list_size = 160}), 0.98);
  const auto more = maker.rows(50);
  ASSERT_TRUE(collection->upsert(numbers(50, 1480), MatrixView(type, more.data(), 50, kDim)));
  EXPECT_GE(checked_recall(*collection, queries), kRecallMin);
  const auto report = database.verify();
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
}

std::vector<TypeCase> type_cases() {
  std::vector<TypeCase> cases;
  for (const ScalarType type :
       {ScalarType::kF32, ScalarType::kF16, ScalarType::kU8, ScalarType::kI8}) {
    for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
      cases.push_back({type, metric});
    }
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(All, DiskTypeTest, testing::ValuesIn(type_cases()), [](const auto& test) {
  return std::string(scalar_type_name(test.param.type)) + "_" +
         std::string(metric_name(test.param.metric));
});

// As much memory as it takes, and not a resident graph's.
TEST_F(DiskTest, AMemoryLimitThatHoldsNoResidentGraphServesFromDisk) {
  Collection collection = make(10000, 1024);
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
  Collection collection = make(3500, 1024);
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
  const auto report = database_.verify();
  ASSERT_TRUE(report.is_ok());
  EXPECT_TRUE(report->problems.empty());
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
  Database reader = open_or_die(copy, options);
  EXPECT_EQ(answers_of(*reader.collection(), some), answers);
  EXPECT_EQ(regime_of(*reader.collection()), "disk");
  const auto report = reader.verify();
  ASSERT_TRUE(report.is_ok());
  EXPECT_TRUE(report->problems.empty());
  database_ = open_or_die(directory_.database());
  EXPECT_EQ(answers_of(*database_.collection(), some), answers);
}

TEST_F(DiskTest, ABatchAnswersLikeItsQueriesOneByOne) {
  Collection collection = make(1500);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  for (int round = 0; round < 2; ++round) {
    const MatrixView some = queries(64);
    const Answers batch = answers_of(collection, some);
    for (size_t q = 0; q < some.rows(); ++q) {
      EXPECT_EQ(answers_of(collection, some.slice(q, 1))[0], batch[q]);
    }
    add(collection, 7000, 40);  // the second round has a tail
  }
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
      database_ = open_or_die(directory_.database());
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

TEST_F(DiskTest, SearchesGoOnWhileGraphsAreBuiltAndPointsChange) {
  Collection collection = make(800);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  std::atomic<bool> stop{false};
  std::vector<std::thread> searchers;
  for (uint32_t t = 0; t < 2; ++t) {
    searchers.emplace_back([&] {
      RowMaker maker(ScalarType::kU8, kDim, 1);
      while (!stop) {
        const auto rows = maker.rows(6);
        const auto found =
            collection.search(MatrixView(ScalarType::kU8, rows.data(), 6, kDim), {.k = 5});
        ASSERT_TRUE(found.is_ok()) << found.status().to_string();
        for (const auto& answers : *found) {
          ASSERT_EQ(answers.size(), 5u);
          for (const Neighbor& neighbor : answers) EXPECT_LT(neighbor.key.u64(), 1000u);
        }
      }
    });
  }
  std::thread builder([&] {
    for (int i = 0; !stop; ++i) {
      const Status built =
          collection.build_index(i % 3 == 2 ? IndexOptions{.rebuild = true} : kOnDisk);
      EXPECT_TRUE(built.is_ok()) << built.to_string();
    }
  });
  std::mt19937 random(77);
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(collection.erase(numbers(30, random() % 400)).is_ok());
    add(collection, random() % 900, 60);
  }
  stop = true;
  for (std::thread& thread : searchers) thread.join();
  builder.join();
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
}

// Random batches, builds, deletes and openings; every answer is checked against an exact search.
TEST_F(DiskTest, AgreesWithExactSearchThroughRandomChanges) {
  Collection collection = make(400);
  std::mt19937 random(11);
  for (int step = 0; step < 80; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    switch (random() % 9) {
      case 0:
        ASSERT_TRUE(collection.build_index(kOnDisk));
        break;
      case 1:
        ASSERT_TRUE(collection.build_index());  // of the other form, where nothing changed since
        break;
      case 2:
        collection = reopen();
        break;
      case 3:
      case 4:
        ASSERT_TRUE(collection.erase(numbers(random() % 120, random() % 1000)).is_ok());
        break;
      default:
        add(collection, random() % 1000, 1 + random() % 100);
    }
    if (step % 4 == 0) {
      EXPECT_GE(recall(collection), kRecallMin);
    }
    if (step % 20 == 19) expect_sound();
  }
}

}  // namespace
}  // namespace roxanne
