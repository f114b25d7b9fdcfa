// Graphs that change in place, through the public door: points come and go, nothing is rebuilt.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
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
// Takes in what came since, and makes no resident form of it.
const IndexOptions kTakeIn = {.serving_memory_bytes = 1};

DatabaseOptions small_graphs(bool automatic) {
  DatabaseOptions options;
  options.create_if_missing = true;
  options.thread_count = 2;
  options.automatic_index = automatic;
  options.index_points_min = kPointsMin;
  return options;
}

Database open_or_die(const std::string& path, const DatabaseOptions& options) {
  auto database = Database::open(path, options);
  if (!database.is_ok()) ADD_FAILURE() << database.status().to_string();
  return std::move(database).value();
}

class LiveGraphTest : public testing::Test {
 protected:
  LiveGraphTest() : database_(open_or_die(directory_.database(), small_graphs(false))) {}

  Collection make(size_t points,
                  const CollectionOptions& options = {.dim = kDim, .type = ScalarType::kU8}) {
    options_ = options;
    maker_ = RowMaker(options.type, options.dim, 1);
    auto collection = database_.create_collection("default", options);
    if (!collection.is_ok()) ADD_FAILURE() << collection.status().to_string();
    if (points > 0) add(*collection, 0, points);
    return *collection;
  }
  void add(Collection& collection, uint64_t first, size_t count) {
    const auto rows = maker_.rows(count);
    const auto counts = collection.upsert(
        numbers(count, first), MatrixView(options_.type, rows.data(), count, options_.dim));
    if (!counts.is_ok()) ADD_FAILURE() << counts.status().to_string();
  }
  double recall(const Collection& collection, const SearchOptions& options = {}) {
    const auto rows = maker_.rows(30);
    return checked_recall(collection, MatrixView(options_.type, rows.data(), 30, options_.dim),
                          options);
  }
  Collection reopen(const DatabaseOptions& options = small_graphs(false)) {
    const Status closed = database_.close();
    EXPECT_TRUE(closed.is_ok()) << closed.to_string();
    database_ = open_or_die(directory_.database(), options);
    return *database_.collection();
  }
  void expect_sound() {
    const auto report = database_.verify();
    ASSERT_TRUE(report.is_ok()) << report.status().to_string();
    for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
  }
  std::set<std::string> graph_files() const {
    std::set<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_.database() + "/collections/000001")) {
      const std::string name = entry.path().filename();
      if (name.starts_with("graph-")) names.insert(name);
    }
    return names;
  }
  static CollectionInfo info_of(const Collection& collection) {
    const auto info = collection.info();
    if (!info.is_ok()) ADD_FAILURE() << info.status().to_string();
    return info.is_ok() ? *info : CollectionInfo{};
  }
  static bool has_caught_up(const CollectionInfo& info) {
    return info.index.points == info.points && info.index.dead_nodes == 0;
  }
  using Condition = std::function<bool(const CollectionInfo&)>;
  static void wait_for(const Collection& collection, const std::string& what,
                       const Condition& condition) {
    for (int i = 0; i < 1200; ++i) {
      if (condition(info_of(collection))) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    const CollectionInfo info = info_of(collection);
    ADD_FAILURE() << "no " << what << ": regime " << info.regime << ", " << info.points
                  << " points, indexed " << info.index.points << ", dead " << info.index.dead_nodes
                  << ", changes " << info.index.changes_since_checkpoint << " " << info.index_error;
  }

  TemporaryDirectory directory_;
  Database database_;
  CollectionOptions options_;
  RowMaker maker_{ScalarType::kU8, kDim, 1};
};

TEST_F(LiveGraphTest, PointsAreTakenInWithoutABuild) {
  Collection collection = make(2000);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  const auto files = graph_files();
  for (int round = 0; round < 5; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    add(collection, 5000 + static_cast<uint64_t>(round) * 20, 20);
    ASSERT_EQ(*collection.erase(numbers(8, static_cast<uint64_t>(round) * 8)), 8u);
    CollectionInfo info = info_of(collection);
    EXPECT_EQ(info.index.unindexed_points, 20u);
    EXPECT_EQ(info.index.dead_nodes, 8u);
    EXPECT_GE(recall(collection), kRecallMin);
    const Status taken = collection.build_index(kTakeIn);
    ASSERT_TRUE(taken.is_ok()) << taken.to_string();
    info = info_of(collection);
    EXPECT_EQ(info.regime, "disk");
    EXPECT_TRUE(has_caught_up(info));
    EXPECT_EQ(info.index.changes_since_checkpoint, 0u);
    EXPECT_EQ(info.index.updates.added, 20u * (static_cast<uint64_t>(round) + 1));
    EXPECT_EQ(info.index.updates.removed, 8u * (static_cast<uint64_t>(round) + 1));
    EXPECT_GE(info.index.updates.checkpoints, static_cast<uint64_t>(round) + 1);
    EXPECT_GE(recall(collection), kRecallMin);
  }
  for (const std::string& name : files) EXPECT_TRUE(graph_files().contains(name)) << name;
  expect_sound();
  collection = reopen();
  EXPECT_GE(recall(collection), kRecallMin);
  EXPECT_TRUE(has_caught_up(info_of(collection)));
  expect_sound();
}

struct TypeCase {
  ScalarType type;
  Metric metric;
};
class LiveGraphTypeTest : public LiveGraphTest, public testing::WithParamInterface<TypeCase> {};

TEST_P(LiveGraphTypeTest, FindsWhatAnExactSearchFinds) {
  const auto [type, metric] = GetParam();
  Collection collection = make(1300, {kDim, type, metric, KeyType::kU64});
  ASSERT_TRUE(collection.build_index(kOnDisk));
  for (uint64_t round = 0; round < 4; ++round) {
    add(collection, 1000 + round * 100, 15);  // moves some, adds others
    EXPECT_GE(recall(collection), kRecallMin);
    const Status taken = collection.build_index(kTakeIn);
    ASSERT_TRUE(taken.is_ok()) << taken.to_string();
    EXPECT_TRUE(has_caught_up(info_of(collection)));
    EXPECT_GE(recall(collection), kRecallMin);
  }
  expect_sound();
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
INSTANTIATE_TEST_SUITE_P(All, LiveGraphTypeTest, testing::ValuesIn(type_cases()),
                         [](const auto& test) {
                           return std::string(scalar_type_name(test.param.type)) + "_" +
                                  std::string(metric_name(test.param.metric));
                         });

// Keeps D8: what is taken out goes on resting, until the graph on disk does not name it either.
TEST_F(LiveGraphTest, SlotsAreWrittenAgainAfterACheckpoint) {
  Collection collection = make(1900);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  for (uint64_t round = 0; round < 60; ++round) {
    add(collection, round * 25 % 1875, 25);  // they move
    ASSERT_TRUE(collection.build_index(kTakeIn));
  }
  EXPECT_EQ(info_of(collection).slots, 2048u) << "of 3400 that were written";
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
  collection = reopen();
  EXPECT_GE(recall(collection), kRecallMin);
  for (uint64_t round = 0; round < 10; ++round) {
    add(collection, round * 25, 25);
    ASSERT_TRUE(collection.build_index(kTakeIn));
  }
  EXPECT_LE(info_of(collection).slots, 4096u);
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
}

// What came since the last checkpoint is compared with, and taken in again.
TEST_F(LiveGraphTest, APointThatIsNotInTheGraphIsFoundAfterOpening) {
  Collection collection = make(1500);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  add(collection, 3000, 12);
  for (const bool read_only : {false, true, false}) {
    DatabaseOptions options = small_graphs(false);
    options.read_only = read_only;
    collection = reopen(options);
    EXPECT_GE(recall(collection), kRecallMin);
    EXPECT_EQ(info_of(collection).index.unindexed_points, 12u);
  }
  ASSERT_TRUE(collection.build_index(kTakeIn));
  EXPECT_TRUE(has_caught_up(info_of(collection)));
  EXPECT_GE(recall(collection), kRecallMin);
}

TEST_F(LiveGraphTest, TheBackgroundTakesPointsIn) {
  Collection collection = make(1500);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  const auto files = graph_files();
  DatabaseOptions options = small_graphs(true);
  options.memory_limit_bytes = 40u << 20;
  collection = reopen(options);
  EXPECT_GE(recall(collection), kRecallMin);  // loads the graph
  for (uint64_t round = 0; round < 4; ++round) {
    add(collection, 4000 + round * 30, 30);
    ASSERT_EQ(*collection.erase(numbers(30, round * 30)), 30u);
    EXPECT_GE(recall(collection), kRecallMin);
    wait_for(collection, "caught up", has_caught_up);
    EXPECT_GE(recall(collection), kRecallMin);
  }
  wait_for(collection, "checkpoint", [](const CollectionInfo& info) {
    return info.index.changes_since_checkpoint == 0 && info.index.updates.checkpoints > 0;
  });
  EXPECT_EQ(info_of(collection).index.updates.added, 120u);
  for (const std::string& name : files) EXPECT_TRUE(graph_files().contains(name)) << name;
  expect_sound();
  collection = reopen();
  EXPECT_GE(recall(collection), kRecallMin);
}

TEST_F(LiveGraphTest, ACollectionGrowsFromEmpty) {
  make(0);
  Collection collection = reopen(small_graphs(true));
  for (uint64_t first = 0; first < 4000; first += 40) {
    add(collection, first, 40);
    if (first % 800 == 0) {
      EXPECT_GE(recall(collection), kRecallMin);
    }
  }
  wait_for(collection, "graph", has_caught_up);
  EXPECT_GE(recall(collection), kRecallMin);
  wait_for(collection, "resident form",
           [](const CollectionInfo& info) { return info.regime == "resident"; });
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
  collection = reopen();
  EXPECT_GE(recall(collection), kRecallMin);
}

TEST_F(LiveGraphTest, AResidentFormMakesWayAndComesBack) {
  Collection collection = make(1500);
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(info_of(collection).regime, "resident");
  collection = reopen(small_graphs(true));
  EXPECT_GE(recall(collection), kRecallMin);
  EXPECT_EQ(info_of(collection).regime, "resident");
  for (uint64_t round = 0; round < 2; ++round) {
    add(collection, 5000 + round * 100, 50);
    EXPECT_EQ(info_of(collection).regime, "resident") << "beside a short tail";
    // More than it may be behind, less than what a build is cheaper for.
    add(collection, 6000 + round * 1000, 210);
    EXPECT_GE(recall(collection), kRecallMin);
    wait_for(collection, "disk form",
             [](const CollectionInfo& info) { return info.regime == "disk"; });
    EXPECT_GE(recall(collection), kRecallMin);
    wait_for(collection, "resident form", [](const CollectionInfo& info) {
      return info.regime == "resident" && has_caught_up(info);
    });
    EXPECT_GE(recall(collection), kRecallMin);
    expect_sound();
  }
  collection = reopen();
  EXPECT_GE(recall(collection), kRecallMin);
  EXPECT_EQ(info_of(collection).regime, "resident");
  EXPECT_TRUE(has_caught_up(info_of(collection)));
}

// The store forgets a resident form before the disk form differs from it.
TEST_F(LiveGraphTest, TakingPointsInForgetsTheResidentForm) {
  Collection collection = make(20000);
  ASSERT_TRUE(collection.build_index());
  add(collection, 50000, 210);
  ASSERT_TRUE(collection.build_index(kTakeIn));
  EXPECT_EQ(info_of(collection).regime, "disk");
  EXPECT_TRUE(has_caught_up(info_of(collection)));
  for (const std::string& name : graph_files()) EXPECT_FALSE(name.ends_with(".dat")) << name;
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(info_of(collection).regime, "resident");
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
}

// Small writes wait; what searches compare with stays short.
TEST_F(LiveGraphTest, WritersDoNotRunAway) {
  constexpr size_t kWide = 512;  // 2 KiB a row
  Collection collection = make(3000, {.dim = kWide});
  ASSERT_TRUE(collection.build_index(kOnDisk));
  DatabaseOptions options = small_graphs(true);
  options.memory_limit_bytes = 48u << 20;  // whose tail is some hundred rows
  collection = reopen(options);
  ASSERT_GE(recall(collection), 0.8);
  ASSERT_EQ(info_of(collection).regime, "disk");
  uint64_t longest = 0;
  for (uint64_t key = 10000; key < 12500; key += 5) {
    add(collection, key, 5);
    longest = std::max(longest, info_of(collection).index.unindexed_points);
  }
  EXPECT_LT(longest, 700u);
  EXPECT_GE(recall(collection), 0.8);
  wait_for(collection, "caught up", has_caught_up);
  EXPECT_GE(recall(collection), 0.8);
}

// A large batch does not wait, nor is it taken in point by point.
TEST_F(LiveGraphTest, ABulkIsBuilt) {
  make(0);
  Collection collection = reopen(small_graphs(true));
  add(collection, 0, 2000);
  wait_for(collection, "graph", has_caught_up);
  const auto files = graph_files();
  add(collection, 100000, 20000);
  wait_for(collection, "caught up", has_caught_up);
  EXPECT_EQ(info_of(collection).index.updates.added, 0u);
  EXPECT_NE(graph_files(), files);
  EXPECT_GE(recall(collection), kRecallMin);
}

TEST_F(LiveGraphTest, SearchesGoOnWhilePointsComeAndGo) {
  Collection collection = make(900);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  collection = reopen(small_graphs(true));
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
          std::set<Key> keys;
          for (const Neighbor& neighbor : answers) {
            EXPECT_LT(neighbor.key.u64(), 1000u);
            EXPECT_TRUE(keys.insert(neighbor.key).second) << "twice";
          }
        }
      }
    });
  }
  std::mt19937 random(77);
  for (int i = 0; i < 150; ++i) {
    ASSERT_TRUE(collection.erase(numbers(4, random() % 400)).is_ok());
    add(collection, random() % 990, 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  stop = true;
  for (std::thread& thread : searchers) thread.join();
  wait_for(collection, "caught up", has_caught_up);
  EXPECT_GE(recall(collection), kRecallMin);
  EXPECT_GT(info_of(collection).index.updates.added, 0u);
  expect_sound();
}

// Each point is found as soon as its upsert returned, wherever it is on its way into the graph.
TEST_F(LiveGraphTest, EveryWriteIsFoundAtOnce) {
  Collection collection = make(1200);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  collection = reopen(small_graphs(true));
  RowMaker maker(ScalarType::kU8, kDim, 9);
  std::mt19937 random(3);
  for (uint64_t i = 0; i < 300; ++i) {
    const auto row = maker.rows(1);
    const std::vector<uint64_t> key = {i % 3 == 0 ? random() % 1200 : 2000 + i};
    const VectorView view(ScalarType::kU8, row.data(), kDim);
    ASSERT_TRUE(collection.upsert(key, view).is_ok());
    const auto found = collection.search(view, {.k = 5});
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    const bool is_there = std::any_of(found->begin(), found->end(), [&](const Neighbor& one) {
      return one.key == Key(key.front()) && one.distance == 0;
    });
    EXPECT_TRUE(is_there) << "key " << key.front();
    if (i % 10 != 0) continue;
    ASSERT_EQ(*collection.erase(key), 1u);
    const auto after = collection.search(view, {.k = 5});
    ASSERT_TRUE(after.is_ok());
    for (const Neighbor& one : *after) EXPECT_NE(one.key, Key(key.front()));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
}

// Random batches, deletes, builds of every kind and openings; every answer is checked against an
// exact search.
TEST_F(LiveGraphTest, AgreesWithExactSearchThroughRandomChanges) {
  Collection collection = make(1500);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  std::mt19937 random(11);
  for (int step = 0; step < 120; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    switch (random() % 12) {
      case 0:
        ASSERT_TRUE(collection.build_index(random() % 4 == 0 ? kOnDisk : IndexOptions{}));
        break;
      case 1:
        collection = reopen(small_graphs(random() % 2 == 0));
        break;
      case 2:
      case 3:
      case 4:
        ASSERT_TRUE(collection.build_index(kTakeIn));
        break;
      case 5:
      case 6:
      case 7:
        ASSERT_TRUE(collection.erase(numbers(random() % 20, random() % 2000)).is_ok());
        break;
      default:
        add(collection, random() % 2000, 1 + random() % 20);
    }
    if (step % 4 == 0) {
      EXPECT_GE(recall(collection), kRecallMin);
    }
    if (step % 20 == 19) expect_sound();
  }
}

// A reader's folder goes on to change: the graph on disk may be newer than what the reader sees.
TEST_F(LiveGraphTest, AReaderBesideAWriterFindsNothingWrong) {
  for (const bool is_resident : {true, false}) {
    SCOPED_TRACE(is_resident);
    Collection collection = make(2000);
    ASSERT_TRUE(collection.build_index(is_resident ? IndexOptions{} : kOnDisk));
    DatabaseOptions options = small_graphs(false);
    options.read_only = true;
    Database reader = open_or_die(directory_.database(), options);
    const Collection seen = *reader.collection();
    for (uint64_t round = 0; round < 4; ++round) {
      add(collection, round * 400, 210);  // they move
      ASSERT_TRUE(collection.build_index(kTakeIn));
      EXPECT_EQ(info_of(collection).regime, "disk");
      const auto report = reader.verify();
      ASSERT_TRUE(report.is_ok()) << report.status().to_string();
      for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
      if (round < 2) continue;  // its graph is not loaded before
      EXPECT_GE(recall(seen), kRecallMin);
      EXPECT_EQ(info_of(seen).regime, is_resident ? "resident" : "disk")
          << info_of(seen).index_error;
    }
    ASSERT_TRUE(reader.close());
    ASSERT_TRUE(database_.drop_collection("default"));
  }
}

// Others may drop it, close it and look at it while points are taken in.
TEST_F(LiveGraphTest, DroppingAndClosingWaitForNobody) {
  for (const bool drops : {true, false}) {
    make(1500);
    Collection collection = reopen(small_graphs(true));
    wait_for(collection, "graph", has_caught_up);
    for (uint64_t i = 0; i < 20; ++i) add(collection, 5000 + i * 30, 30);
    expect_sound();
    if (drops) {
      ASSERT_TRUE(database_.drop_collection("default"));
      EXPECT_FALSE(std::filesystem::exists(directory_.database() + "/collections/000001"));
      ASSERT_TRUE(database_.close());
      std::filesystem::remove_all(directory_.database());
      database_ = open_or_die(directory_.database(), small_graphs(false));
    } else {
      collection = reopen();
      EXPECT_GE(recall(collection), kRecallMin);
      EXPECT_EQ(info_of(collection).points, 2100u);
      expect_sound();
    }
  }
}

}  // namespace
}  // namespace roxanne
