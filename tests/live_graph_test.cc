// Graphs that change in place, through the public door: points come and go, nothing is rebuilt.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "base/sanitized.h"
#include "graph_fixture.h"

namespace roxanne {
namespace {

using testing_support::has_caught_up;
using testing_support::info_of;
using testing_support::numbers;
using testing_support::RowMaker;
using testing_support::Searchers;
using testing_support::TypeCase;
using testing_support::wait_for;

// Takes in what came since, and makes no resident form of it.
const IndexOptions kTakeIn = {.serving_memory_bytes = 1};

bool is_not_far_behind(const CollectionInfo& info) {
  return info.index.unindexed_points + info.index.dead_nodes < info.points / 8;
}

class LiveGraphTest : public testing_support::SmallGraphTest {};

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

INSTANTIATE_TEST_SUITE_P(All, LiveGraphTypeTest, testing::ValuesIn(testing_support::type_cases()),
                         [](const auto& test) { return testing_support::name_of(test.param); });

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
    DatabaseOptions options = small_graphs();
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
  DatabaseOptions options = automatic_graphs();
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
  Collection collection = reopen(automatic_graphs());
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
  collection = reopen(automatic_graphs());
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
  // What the background makes of a graph that changes takes no space on disk.
  for (const std::string& name : graph_files()) EXPECT_FALSE(name.ends_with(".dat")) << name;
  collection = reopen();
  EXPECT_GE(recall(collection), kRecallMin);
  EXPECT_EQ(info_of(collection).regime, "disk");
  EXPECT_TRUE(has_caught_up(info_of(collection)));
  collection = reopen(automatic_graphs());
  EXPECT_GE(recall(collection), kRecallMin);
  wait_for(collection, "resident form again",
           [](const CollectionInfo& info) { return info.regime == "resident"; });
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
  // One that is asked for is kept.
  collection = reopen();
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(info_of(collection).regime, "resident");
  collection = reopen();
  EXPECT_GE(recall(collection), kRecallMin);
  EXPECT_EQ(info_of(collection).regime, "resident");
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

// Whenever the last checkpoint was, before writes had paused, too.
TEST_F(LiveGraphTest, IdleSpaceIsGivenBackAfterAnyCheckpoint) {
  constexpr size_t kWide = 512;
  Collection collection = make(3000, {.dim = kWide});
  ASSERT_TRUE(collection.build_index(kOnDisk));
  DatabaseOptions options = automatic_graphs();
  options.memory_limit_bytes = 48u << 20;  // for no resident form
  collection = reopen(options);
  EXPECT_GE(recall(collection), 0.8);  // loads the graph
  add(collection, 5000, 40);
  ASSERT_TRUE(collection.build_index(kTakeIn));  // ends with a checkpoint
  const auto pages_bytes = [&] {
    uint64_t bytes = 0;
    for (const std::string& name : graph_files()) {
      struct stat status = {};
      if (!name.ends_with(".pages")) continue;
      EXPECT_EQ(::stat((folder() + name).c_str(), &status), 0);
      bytes += static_cast<uint64_t>(status.st_blocks);
    }
    return bytes;
  };
  const uint64_t before = pages_bytes();
  wait_for(collection, "idle space", [&](const CollectionInfo&) { return pages_bytes() < before; });
  EXPECT_EQ(info_of(collection).regime, "disk");
  expect_sound();
}

// Small writes wait; what searches compare with stays short.
TEST_F(LiveGraphTest, WritersDoNotRunAway) {
  constexpr size_t kWide = 512;  // 2 KiB a row
  Collection collection = make(3000, {.dim = kWide});
  ASSERT_TRUE(collection.build_index(kOnDisk));
  DatabaseOptions options = automatic_graphs();
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

// It keeps slots from being used again, and nobody searches it.
TEST_F(LiveGraphTest, AGraphOfTooFewPointsGoes) {
  for (const bool on_disk : {true, false}) {
    SCOPED_TRACE(on_disk);
    Collection collection = on_disk ? make(0) : *database_.collection();
    add(collection, 0, 6000);
    ASSERT_TRUE(on_disk ? collection.build_index(kOnDisk) : collection.build_index());
    collection = reopen(automatic_graphs());
    EXPECT_GE(recall(collection), kRecallMin);
    EXPECT_FALSE(graph_files().empty());
    const auto vectors = std::filesystem::file_size(folder() + "vectors.dat");
    ASSERT_EQ(*collection.erase(numbers(5990)), 5990u);
    wait_for(collection, "end of the graph",
             [&](const CollectionInfo&) { return graph_files().empty(); });
    EXPECT_EQ(info_of(collection).regime, "exact");
    EXPECT_EQ(info_of(collection).index.points, 0u);
    EXPECT_EQ(recall(collection), 1);
    wait_for(collection, "shorter file of vectors", [&](const CollectionInfo&) {
      return std::filesystem::file_size(folder() + "vectors.dat") < vectors / 2;
    });
    expect_sound();
    collection = reopen();
    EXPECT_EQ(recall(collection), 1);
  }
}

// A large batch does not wait, nor is it taken in point by point.
TEST_F(LiveGraphTest, ABulkIsBuilt) {
  make(0);
  Collection collection = reopen(automatic_graphs());
  add(collection, 0, 2000);
  wait_for(collection, "graph", has_caught_up);
  const auto files = graph_files();
  add(collection, 100000, 20000);
  wait_for(collection, "caught up", has_caught_up);
  // Some are taken in, where the build rests for long after the one before.
  EXPECT_LT(info_of(collection).index.updates.added, 20000u);
  EXPECT_NE(graph_files(), files);
  EXPECT_GE(recall(collection), kRecallMin);
}

TEST_F(LiveGraphTest, SearchesGoOnWhilePointsComeAndGo) {
  Collection collection = make(900);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  collection = reopen(automatic_graphs());
  Searchers searchers(collection, options_, 1000);
  std::mt19937 random(77);
  for (int i = 0; i < (base::kIsSanitized ? 60 : 150); ++i) {
    ASSERT_TRUE(collection.erase(numbers(4, random() % 400)).is_ok());
    add(collection, random() % 990, 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    // Or a graph that falls behind by half of its points is built anew instead.
    wait_for(collection, "not far behind", is_not_far_behind);
  }
  searchers.stop();
  wait_for(collection, "caught up", has_caught_up);
  EXPECT_GE(recall(collection), kRecallMin);
  EXPECT_GT(info_of(collection).index.updates.added, 0u);
  expect_sound();
}

// Each point is found as soon as its upsert returned, wherever it is on its way into the graph.
TEST_F(LiveGraphTest, EveryWriteIsFoundAtOnce) {
  Collection collection = make(1200);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  collection = reopen(automatic_graphs());
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
        collection = reopen(random() % 2 == 0 ? automatic_graphs() : small_graphs());
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
    DatabaseOptions options = small_graphs();
    options.read_only = true;
    Database reader = open_database(options);
    const Collection seen = *reader.collection();
    for (uint64_t round = 0; round < 4; ++round) {
      add(collection, round * 400, 210);  // they move
      ASSERT_TRUE(collection.build_index(kTakeIn));
      EXPECT_EQ(info_of(collection).regime, "disk");
      testing_support::expect_sound(reader);
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
    Collection collection = reopen(automatic_graphs());
    wait_for(collection, "graph", has_caught_up);
    for (uint64_t i = 0; i < 20; ++i) add(collection, 5000 + i * 30, 30);
    expect_sound();
    if (drops) {
      ASSERT_TRUE(database_.drop_collection("default"));
      EXPECT_FALSE(std::filesystem::exists(folder()));
      ASSERT_TRUE(database_.close());
      std::filesystem::remove_all(directory_.database());
      database_ = open_database();
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
