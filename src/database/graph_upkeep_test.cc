// What a graph that changes in place takes in memory, and gives back.
#include "database/graph_upkeep.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "storage/simulated_file_system.h"

namespace roxanne::database {
namespace {

constexpr size_t kDim = 512;
constexpr uint64_t kRowBytes = kDim * sizeof(float);
constexpr uint64_t kFirstPoints = 2000;

// A collection on disk, and points that come to it.
class GraphUpkeepTest : public testing::Test {
 protected:
  void SetUp() override {
    auto database = DatabaseImpl::open("/db.rox", {.create_if_missing = true,
                                                   .memory_limit_bytes = 256u << 20,
                                                   .thread_count = 2,
                                                   .automatic_index = false,
                                                   .index_points_min = 100,
                                                   .file_system = &files_});
    ASSERT_TRUE(database.is_ok()) << database.status().to_string();
    database_ = *database;
    auto collection = database_->create_collection("points", {.dim = kDim});
    ASSERT_TRUE(collection.is_ok()) << collection.status().to_string();
    collection_ = *collection;
    upsert(kFirstPoints);
    const Status built =
        database_->index_builder().build(collection_, {.rebuild = true, .serving_memory_bytes = 1});
    ASSERT_TRUE(built.is_ok()) << built.to_string();
  }
  void TearDown() override {
    if (database_ == nullptr) return;
    const Status closed = database_->close();
    EXPECT_TRUE(closed.is_ok()) << closed.to_string();
  }

  void upsert(size_t count) {
    const std::vector<float> rows = some_rows(count);
    std::vector<uint64_t> keys(count);
    std::iota(keys.begin(), keys.end(), points_);
    points_ += count;
    const auto counts = collection_->upsert(keys, MatrixView::f32(rows.data(), count, kDim), {});
    ASSERT_TRUE(counts.is_ok()) << counts.status().to_string();
  }
  // In small clusters: a graph finds nearly everything in them.
  std::vector<float> some_rows(size_t count) {
    std::uniform_real_distribution<float> some(-1, 1);
    std::vector<float> rows(count * kDim);
    for (size_t i = 0; i < count; ++i) {
      std::mt19937 cluster(random_() % 100);
      for (size_t j = 0; j < kDim; ++j) rows[i * kDim + j] = some(cluster) + some(random_) / 4;
    }
    return rows;
  }
  // By inserts, whatever a build would cost.
  Status take_in(size_t count) {
    upsert(count);
    const auto held = collection_->upkeep().hold();
    return collection_->upkeep().drain({}, false);
  }
  index::DiskIndex& graph() const { return *collection_->version()->graph->disk; }

  storage::SimulatedFileSystem files_;
  std::shared_ptr<DatabaseImpl> database_;
  std::shared_ptr<CollectionImpl> collection_;
  std::mt19937 random_{1};
  uint64_t points_ = 0;
};

TEST_F(GraphUpkeepTest, TheCacheOfPagesGrowsWithTheGraph) {
  const uint64_t before = graph().cache_bytes();
  constexpr uint64_t kSpare = 2 * (4u << 20);
  EXPECT_LE(before, graph().cache_bytes_for_all() + kSpare);
  const uint64_t used = database_->budget().limit() - database_->budget().left();
  const Status taken = take_in(kFirstPoints);
  ASSERT_TRUE(taken.is_ok()) << taken.to_string();
  EXPECT_EQ(graph().node_count(), 2 * kFirstPoints);
  EXPECT_GE(graph().cache_bytes(), 2 * kFirstPoints * kRowBytes * 7 / 10);
  EXPECT_GE(graph().cache_bytes(), graph().cache_bytes_for_all());
  EXPECT_LE(graph().cache_bytes(), graph().cache_bytes_for_all() + kSpare);
  const uint64_t now = database_->budget().limit() - database_->budget().left();
  EXPECT_GE(now, used + graph().cache_bytes() - before);
  // What was searched for is there when it is asked for again.
  const std::vector<float> queries = some_rows(20);
  SearchStats stats;
  for (int i = 0; i < 3; ++i) {
    stats = {};
    ASSERT_TRUE(
        collection_->search(MatrixView::f32(queries.data(), 20, kDim), {.stats = &stats}).is_ok());
  }
  EXPECT_GT(stats.cache_hits, 9 * stats.reads);
}

// Pages are written at new places before those that they replace go, and grow in number.
TEST_F(GraphUpkeepTest, AllPagesOfAGraphThatChangesStayInMemory) {
  const std::vector<float> queries = some_rows(300);
  for (int round = 0; round < 5; ++round) {
    const Status taken = take_in(kFirstPoints / 25);
    ASSERT_TRUE(taken.is_ok()) << taken.to_string();
    SearchStats stats;
    for (int i = 0; i < 3; ++i) {
      stats = {};
      ASSERT_TRUE(collection_
                      ->search(MatrixView::f32(queries.data(), 300, kDim),
                               {.k = 50, .search_list_size = 200, .stats = &stats})
                      .is_ok());
    }
    EXPECT_GT(stats.cache_hits, 0u);
    EXPECT_EQ(stats.reads, 0u) << round;
  }
}

// Changing a graph takes buffers: where nothing else is left the cache has to give them.
TEST_F(GraphUpkeepTest, TheCacheOfPagesMakesRoomForChanges) {
  const uint64_t before = graph().cache_bytes();
  const uint64_t buffers = GraphUpkeep::buffer_bytes_of(database_->budget().limit());
  ASSERT_GT(before, 4u << 20);
  auto rest = database_->reserve_memory(database_->budget().left() - buffers + (2u << 20));
  ASSERT_TRUE(rest.has_value());
  const Status taken = take_in(100);
  ASSERT_TRUE(taken.is_ok()) << taken.to_string();
  EXPECT_EQ(graph().node_count(), kFirstPoints + 100);
  EXPECT_LT(graph().cache_bytes(), before);
}

TEST_F(GraphUpkeepTest, TheCacheOfPagesMakesRoomForTheGraph) {
  ASSERT_TRUE(take_in(10).is_ok());  // what changing it takes is taken
  const uint64_t before = graph().cache_bytes();
  ASSERT_GE(before, 4u << 20);
  std::vector<std::optional<index::MemoryReservation>> rest;
  for (uint64_t i = 1; i <= 3; ++i) {
    rest.push_back(database_->reserve_memory(database_->budget().left()));
    ASSERT_TRUE(rest.back().has_value());
    const Status taken = take_in(200);
    ASSERT_TRUE(taken.is_ok()) << taken.to_string();
    EXPECT_EQ(graph().node_count(), kFirstPoints + 10 + 200 * i);
  }
  EXPECT_LT(graph().cache_bytes(), before);
  // And takes it again.
  rest.clear();
  ASSERT_TRUE(take_in(10).is_ok());
  EXPECT_GT(graph().cache_bytes(), before);
}

TEST_F(GraphUpkeepTest, AGraphThatGotSmallerGivesMemoryBack) {
  const uint64_t codes = graph().memory().codes;
  const uint64_t memory = collection_->version()->graph->memory.bytes();
  for (uint64_t first = 0; first < 1800; first += 200) {
    std::vector<uint64_t> keys(200);
    std::iota(keys.begin(), keys.end(), first);
    ASSERT_TRUE(collection_->erase(keys).is_ok());
    const auto held = collection_->upkeep().hold();
    ASSERT_TRUE(collection_->upkeep().drain({}, false).is_ok());
  }
  const auto held = collection_->upkeep().hold();
  for (bool has_more = true; has_more;) {
    ASSERT_TRUE(collection_->upkeep().checkpoint().is_ok());
    const Result<bool> rested = collection_->upkeep().rest(true);
    ASSERT_TRUE(rested.is_ok()) << rested.status().to_string();
    has_more = *rested;
  }
  EXPECT_EQ(collection_->upkeep().changes_since_checkpoint(), 0u);
  EXPECT_EQ(graph().node_count(), 200u);
  EXPECT_LT(graph().memory().codes, codes / 4);
  EXPECT_LE(collection_->version()->graph->memory.bytes(),
            memory - (codes - graph().memory().codes) / 4 * 3);
}

// Of this process, those that others go before.
size_t threads_in_background() {
  const int usual = getpriority(PRIO_PROCESS, 0);
  size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    const auto thread = static_cast<id_t>(std::stoul(task.path().filename()));
    if (getpriority(PRIO_PROCESS, thread) > usual) ++count;
  }
  return count;
}

// With its threads at work.
class GraphMaintainerTest : public testing::Test {
 protected:
  static constexpr size_t kSmallDim = 8;
  static constexpr size_t kThreads = 4;

  void open() {
    auto database = DatabaseImpl::open("/db.rox", {.create_if_missing = true,
                                                   .memory_limit_bytes = 256u << 20,
                                                   .thread_count = kThreads,
                                                   .index_points_min = 100,
                                                   .file_system = &files_});
    ASSERT_TRUE(database.is_ok()) << database.status().to_string();
    database_ = *database;
  }
  void make_graph(size_t points) {
    auto collection = database_->create_collection("points", {.dim = kSmallDim});
    ASSERT_TRUE(collection.is_ok()) << collection.status().to_string();
    collection_ = *collection;
    upsert(points);
    const Status built =
        database_->index_builder().build(collection_, {.rebuild = true, .serving_memory_bytes = 1});
    ASSERT_TRUE(built.is_ok()) << built.to_string();
  }
  void upsert(size_t count) {
    std::vector<float> rows(count * kSmallDim);
    std::vector<uint64_t> keys(count);
    for (float& value : rows) value = static_cast<float>(random_() % 1000);
    std::iota(keys.begin(), keys.end(), points_);
    points_ += count;
    const auto counts =
        collection_->upsert(keys, MatrixView::f32(rows.data(), count, kSmallDim), {});
    ASSERT_TRUE(counts.is_ok()) << counts.status().to_string();
  }
  // Whether `is_so` within a minute.
  static bool wait_until(const std::function<bool()>& is_so) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!is_so() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return is_so();
  }

  storage::SimulatedFileSystem files_;
  std::shared_ptr<DatabaseImpl> database_;
  std::shared_ptr<CollectionImpl> collection_;
  std::mt19937 random_{1};
  uint64_t points_ = 0;
};

// The helpers of whoever goes on where writers wait are as urgent as he is.
TEST_F(GraphMaintainerTest, HelpersOfTheUsualPriorityHaveIt) {
  open();
  make_graph(1000);
  upsert(100);
  ASSERT_TRUE(wait_until([&] { return collection_->lag().pending() == 0; }));
  EXPECT_EQ(threads_in_background(), 1 + (kThreads - 1));  // who changes it, and its helpers
  EXPECT_TRUE(database_->close().is_ok());
}

// Searches after a restart do not wait for the disk until each page was asked for.
TEST_F(GraphMaintainerTest, AllPagesComeToMemoryAfterOpening) {
  open();
  make_graph(5000);
  ASSERT_TRUE(database_->close().is_ok());
  open();
  collection_ = *database_->collection("points");
  const std::vector<float> query(kSmallDim);
  ASSERT_TRUE(collection_->search(MatrixView::f32(query.data(), 1, kSmallDim), {}).is_ok());
  index::DiskIndex& graph = *collection_->version()->graph->disk;
  const auto missing = [&] {
    const storage::PageSnapshot pages = graph.pages().snapshot();
    size_t count = 0;
    for (uint32_t page = 0; page < pages->logical_page_count(); ++page) {
      const uint32_t place = pages->physical_page(page);
      count += place != storage::kNoPage && !graph.cache().contains(place);
    }
    return count;
  };
  EXPECT_GT(missing(), 100u);
  EXPECT_TRUE(wait_until([&] { return missing() == 0; })) << missing();
  EXPECT_TRUE(database_->close().is_ok());
}

}  // namespace
}  // namespace roxanne::database
