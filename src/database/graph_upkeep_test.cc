// What a graph that changes in place takes in memory, and gives back.
#include "database/graph_upkeep.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
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

// The helpers of whoever goes on where writers wait are as urgent as he is.
TEST(GraphMaintainerTest, HelpersOfTheUsualPriorityHaveIt) {
  constexpr size_t kThreads = 4;
  storage::SimulatedFileSystem files;
  auto database = DatabaseImpl::open("/db.rox", {.create_if_missing = true,
                                                 .thread_count = kThreads,
                                                 .index_points_min = 100,
                                                 .file_system = &files});
  ASSERT_TRUE(database.is_ok()) << database.status().to_string();
  auto collection = (*database)->create_collection("points", {.dim = 8});
  ASSERT_TRUE(collection.is_ok()) << collection.status().to_string();
  auto upsert = [&, next = uint64_t{0}](size_t count) mutable {
    std::vector<float> rows(count * 8);
    std::vector<uint64_t> keys(count);
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>((next + i) * 7919 % 997);
    std::iota(keys.begin(), keys.end(), next);
    next += count;
    return (*collection)->upsert(keys, MatrixView::f32(rows.data(), count, 8), {});
  };
  ASSERT_TRUE(upsert(1000).is_ok());
  const Status built =
      (*database)->index_builder().build(*collection, {.rebuild = true, .serving_memory_bytes = 1});
  ASSERT_TRUE(built.is_ok()) << built.to_string();
  ASSERT_TRUE(upsert(100).is_ok());
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while ((*collection)->lag().pending() > 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_EQ((*collection)->lag().pending(), 0u) << "nobody changed the graph";
  EXPECT_EQ(threads_in_background(), 1 + (kThreads - 1));  // who changes it, and its helpers
  EXPECT_TRUE((*database)->close().is_ok());
}

}  // namespace
}  // namespace roxanne::database
