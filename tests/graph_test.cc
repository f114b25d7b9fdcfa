// Graphs through the public door: built, searched, changed under, opened again, damaged.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "graph_fixture.h"

namespace roxanne {
namespace {

using testing_support::checked_recall;
using testing_support::info_of;
using testing_support::numbers;
using testing_support::RowMaker;
using testing_support::wait_for;

constexpr size_t kGraphFiles = 3;  // of a graph in both forms

bool is_resident(const CollectionInfo& info) { return info.regime == "resident"; }

class GraphTest : public testing_support::SmallGraphTest {
 protected:
  GraphTest() : SmallGraphTest(0) {}  // as many threads as there are processors

  // The resident form; empty where there are not the files of one graph, in both forms.
  std::string graph_file() const {
    const auto names = graph_files();
    if (names.size() != kGraphFiles) return "";
    const std::string stem = names.begin()->substr(0, names.begin()->find('.'));
    for (const char* ending : {".dat", ".pages", ".codes"}) {
      if (!names.contains(stem + ending)) return "";
    }
    return folder() + stem + ".dat";
  }
  uint64_t graph_bytes() const {
    uint64_t bytes = 0;
    for (const std::string& name : graph_files()) {
      bytes += std::filesystem::file_size(folder() + name);
    }
    return bytes;
  }
};

TEST_F(GraphTest, AnAcceleratorIsUsedOrRefusedAndToldOf) {
  Collection collection = make(1000);
  const Status usable = accelerator_status(Accelerator::kCuda);
  IndexReport report;
  IndexOptions options;
  options.accelerator = Accelerator::kCuda;
  options.report = &report;
  const Status built = collection.build_index(options);
  EXPECT_EQ(built.is_ok(), usable.is_ok());
  if (!usable.is_ok()) {
    EXPECT_EQ(built.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(built.message().find("cuda"), std::string::npos) << built.message();
    EXPECT_EQ(report.accelerator, "");
    EXPECT_EQ(info_of(collection).regime, "exact") << "nothing was built";
    options.accelerator = Accelerator::kAuto;
    ASSERT_TRUE(collection.build_index(options));
    EXPECT_EQ(report.accelerator, "cpu");
  }
  EXPECT_EQ(info_of(collection).regime, "resident");
  EXPECT_EQ(accelerator_status(Accelerator::kCpu).code(), StatusCode::kOk);
}

TEST_F(GraphTest, InfoSaysWhatServes) {
  Collection collection = make(1000);
  auto info = collection.info();
  ASSERT_TRUE(info.is_ok());
  EXPECT_EQ(info->regime, "exact");
  EXPECT_EQ(info->index.points, 0u);
  ASSERT_TRUE(collection.build_index());
  info = collection.info();
  EXPECT_EQ(info->regime, "resident");
  EXPECT_EQ(info->index.points, 1000u);
  EXPECT_GT(info->index.search_list_size, 0u);
  EXPECT_GT(info->index.max_degree, 0u);
  EXPECT_GT(info->index.bytes_in_memory, 1000 * kDim);
  ASSERT_EQ(info->memory.size(), 4u);
  EXPECT_EQ(info->memory[1].name, "graph");
  EXPECT_EQ(info->memory[1].bytes, info->index.bytes_in_memory);
  EXPECT_EQ(info->index.bytes_on_disk, graph_bytes());
  EXPECT_EQ(info->index_error, "");
  add(collection, 5000, 30);
  ASSERT_EQ(*collection.erase(numbers(10)), 10u);
  EXPECT_EQ(collection.info()->index.points, 990u);
  EXPECT_EQ(collection.info()->points, 1020u);
}

TEST_F(GraphTest, SearchesSayWhatTheyCost) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  const MatrixView some = queries(20);
  SearchStats stats;
  ASSERT_TRUE(collection.search(some, {.stats = &stats}).is_ok());
  EXPECT_EQ(stats.queries, 20u);
  EXPECT_GE(stats.hops, 20u);
  EXPECT_GE(stats.distance_computations, 20u * 10u);
  SearchStats one;
  ASSERT_TRUE(
      collection.search(VectorView(ScalarType::kU8, some.row(0), kDim), {.stats = &one}).is_ok());
  EXPECT_EQ(one.queries, 1u);
  EXPECT_GE(one.hops, 1u);
  SearchStats exact;
  ASSERT_TRUE(collection.search(some, {.exact = true, .stats = &exact}).is_ok());
  EXPECT_EQ(exact.hops, 0u);
  EXPECT_EQ(exact.search_list_size_used, 0u);
}

TEST_F(GraphTest, TheCostOfABatchIsTheSumOfItsQueries) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  const MatrixView some = queries(20);
  for (const bool has_tail : {false, true}) {
    if (has_tail) add(collection, 5000, 30);
    ASSERT_TRUE(collection.search(some).is_ok());  // blocks of the tail come into memory
    SearchStats batch;
    const SearchOptions options{.search_list_size = 40, .thread_count = 1};
    SearchOptions of_batch = options;
    of_batch.stats = &batch;
    ASSERT_TRUE(collection.search(some, of_batch).is_ok());
    SearchStats sum;
    for (size_t q = 0; q < some.rows(); ++q) {
      SearchStats one;
      SearchOptions of_one = options;
      of_one.stats = &one;
      const VectorView query(ScalarType::kU8, some.row(q), kDim);
      ASSERT_TRUE(collection.search(query, of_one).is_ok());
      EXPECT_GT(one.seed_us, 0);
      EXPECT_GT(one.walk_us, 0);
      EXPECT_GT(one.result_us, 0);
      EXPECT_LE(one.seed_us + one.walk_us + one.result_us, one.latency_us * 1.000001);
      sum += one;
    }
    EXPECT_EQ(sum.queries, batch.queries);
    EXPECT_EQ(sum.distance_computations, batch.distance_computations);
    EXPECT_EQ(sum.hops, batch.hops);
    EXPECT_EQ(sum.search_list_size_used, batch.search_list_size_used);
    EXPECT_EQ(batch.search_list_size_used, 40u);
    EXPECT_EQ(batch.reads + sum.reads + batch.read_rounds + sum.read_rounds, 0u);
    EXPECT_LE(batch.seed_us + batch.walk_us + batch.result_us, batch.latency_us);
  }
}

TEST_F(GraphTest, SearchListSizeIsCheckedAndRaisedToK) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  const VectorView query(ScalarType::kU8, queries(1).row(0), kDim);
  EXPECT_EQ(collection.search(query, {.search_list_size = kSearchListSizeMax + 1}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(collection.search(query, {.search_list_size = kSearchListSizeMax}).is_ok());
  EXPECT_EQ(collection.search(query, {.k = 100, .search_list_size = 5})->size(), 100u);
  EXPECT_GE(recall(collection, {.k = 10, .search_list_size = 400}), kRecallMin);
}

TEST_F(GraphTest, ChangesAfterTheBuildAreSeenAtOnce) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  // New points, and points at a new place.
  const auto rows = maker_.rows(60);
  const MatrixView view(ScalarType::kU8, rows.data(), 60, kDim);
  std::vector<uint64_t> keys = numbers(30, 100);
  for (uint64_t key = 0; key < 30; ++key) keys.push_back(2000 + key);
  ASSERT_TRUE(collection.upsert(keys, view));
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto found = collection.search(VectorView(ScalarType::kU8, view.row(i), kDim), {.k = 3});
    ASSERT_TRUE(found.is_ok());
    EXPECT_EQ((*found)[0].distance, 0);
    EXPECT_TRUE(std::any_of(found->begin(), found->end(),
                            [&](const Neighbor& n) { return n.key == Key(keys[i]); }));
  }
  // Deleted ones are gone, at every list size.
  ASSERT_EQ(*collection.erase(numbers(400, 300)), 400u);
  for (const size_t size : {0u, 10u, 200u}) {
    EXPECT_GE(recall(collection, {.search_list_size = size}), kRecallMin);
  }
  EXPECT_GE(recall(collection, {.k = 200}), kRecallMin);
  expect_sound();
}

TEST_F(GraphTest, ARebuildTakesInWhatChangedAndFreesSlots) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  const std::string first = graph_file();
  add(collection, 0, 500);  // half of the points move
  EXPECT_EQ(collection.info()->index.points, 500u);
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(collection.info()->index.points, 1000u);
  EXPECT_NE(graph_file(), "") << "the old file is gone";
  EXPECT_NE(graph_file(), first);
  EXPECT_GE(recall(collection), kRecallMin);
  // Slots are used again: what grows is bounded.
  for (int round = 0; round < 6; ++round) {
    add(collection, 0, 500);
    ASSERT_TRUE(collection.build_index());
  }
  EXPECT_LE(collection.info()->slots, 2048u) << "of 4500 that were written";
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
}

TEST_F(GraphTest, AFreshGraphIsNotBuiltAgain) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  const std::string first = graph_file();
  ASSERT_TRUE(collection.build_index());
  ASSERT_TRUE(collection.build_index({.rebuild = true}));
  EXPECT_EQ(graph_file(), first) << "nothing changed";
  add(collection, 9000, 5);
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(graph_file(), first) << "too little changed";
  ASSERT_TRUE(collection.build_index({.rebuild = true}));
  EXPECT_NE(graph_file(), first);
  EXPECT_EQ(collection.info()->index.points, 1005u);
}

TEST_F(GraphTest, SmallCollectionsStayExact) {
  Collection collection = make(kPointsMin - 1);
  ASSERT_TRUE(collection.build_index({.rebuild = true}));
  EXPECT_EQ(collection.info()->regime, "exact");
  EXPECT_TRUE(graph_files().empty());
  add(collection, 5000, 1);
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(collection.info()->regime, "resident");
  ASSERT_EQ(*collection.erase(numbers(kPointsMin - 50)), kPointsMin - 50);
  EXPECT_EQ(collection.info()->regime, "exact") << "few are left";
  EXPECT_EQ(recall(collection), 1.0);
  ASSERT_EQ(*collection.erase(numbers(5001)), 50u);
  EXPECT_EQ(recall(collection), 1.0);
  add(collection, 0, 400);
  EXPECT_EQ(collection.info()->regime, "resident");
  EXPECT_GE(recall(collection), kRecallMin);
}

TEST_F(GraphTest, OpeningDoesNotBuildAgain) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  const std::string file = graph_file();
  add(collection, 3000, 20);
  for (const bool read_only : {false, true}) {
    DatabaseOptions options = small_graphs();
    options.read_only = read_only;
    collection = reopen(options);
    auto info = collection.info();
    EXPECT_EQ(info->regime, "resident");
    EXPECT_EQ(info->index.points, 1000u);
    EXPECT_EQ(info->index.bytes_in_memory, 0u) << "loaded by the first search";
    EXPECT_GE(recall(collection), kRecallMin);
    info = collection.info();
    EXPECT_EQ(info->index.points, 1000u);
    EXPECT_GT(info->index.bytes_in_memory, 0u);
    EXPECT_EQ(graph_file(), file);
    expect_sound();
  }
  EXPECT_EQ(collection.build_index().code(), StatusCode::kReadOnly);
}

// Keeps D8: written by a process that never loaded the graph, too.
TEST_F(GraphTest, SlotsOfTheGraphAreNotWritten) {
  Collection collection = make(600);
  ASSERT_TRUE(collection.build_index());
  uint64_t next = 10000;
  for (int round = 0; round < 6; ++round) {
    if (round % 2 == 0) collection = reopen();
    ASSERT_TRUE(collection.erase(numbers(40, static_cast<uint64_t>(round) * 40)).is_ok());
    // Waits for nothing: slots that could be used again would be now.
    add(collection, next, 30);
    add(collection, next, 30);
    next += 30;
    if (round % 2 == 1) {
      EXPECT_GE(recall(collection), kRecallMin);
      EXPECT_EQ(collection.info()->index.points, 600u - 40u * (static_cast<uint64_t>(round) + 1));
    }
  }
  expect_sound();
}

TEST_F(GraphTest, StringKeysPayloadsAndVectorsComeBack) {
  auto made = database_.create_collection(
      "default", {.dim = kDim, .type = ScalarType::kU8, .key_type = KeyType::kString});
  ASSERT_TRUE(made.is_ok());
  const size_t count = 500;
  const auto rows = maker_.rows(count);
  std::vector<std::string> keys, payloads;
  for (size_t i = 0; i < count; ++i) {
    keys.push_back("key " + std::to_string(i));
    payloads.push_back("{\"i\":" + std::to_string(i) + "}");
  }
  const MatrixView view(ScalarType::kU8, rows.data(), count, kDim);
  ASSERT_TRUE(made->upsert(keys, view, {.payloads = payloads}));
  ASSERT_TRUE(made->build_index());
  for (size_t i = 0; i < count; i += 50) {
    const auto found = made->search(VectorView(ScalarType::kU8, view.row(i), kDim),
                                    {.k = 1, .with_payload = true, .with_vector = true});
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    EXPECT_EQ((*found)[0].key, Key(keys[i]));
    EXPECT_EQ((*found)[0].payload, payloads[i]);
    EXPECT_EQ(std::memcmp((*found)[0].vector->bytes.data(), view.row(i), kDim), 0);
  }
  expect_sound();
}

TEST_F(GraphTest, ProgressIsToldAndCanCancel) {
  Collection collection = make(1000);
  double last = 0;
  size_t calls = 0;
  const Status cancelled = collection.build_index({.progress = [&](std::string_view, double done) {
    EXPECT_GE(done, last);
    last = done;
    return ++calls < 5;
  }});
  EXPECT_EQ(cancelled.code(), StatusCode::kCancelled);
  EXPECT_EQ(collection.info()->regime, "exact");
  EXPECT_EQ(collection.info()->index_error, "");
  EXPECT_TRUE(graph_files().empty()) << *graph_files().begin();
  last = 0;
  std::set<std::string> phases;
  ASSERT_TRUE(collection.build_index({.progress = [&](std::string_view phase, double done) {
    EXPECT_GE(done, last);
    last = done;
    phases.emplace(phase);
    return true;
  }}));
  EXPECT_EQ(last, 1.0);
  EXPECT_GE(phases.size(), 3u);
  EXPECT_EQ(graph_files().size(), kGraphFiles);
}

// Runs a build that stops at its first report until it is let go.
class HeldBuild {
 public:
  explicit HeldBuild(Collection collection)
      : thread_([this, collection]() mutable {
          status_ = collection.build_index({.progress = [this](std::string_view, double) {
            reached_ = true;
            while (!released_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            return true;
          }});
        }) {
    while (!reached_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~HeldBuild() { (void)finish(); }
  void release() { released_ = true; }
  Status finish() {
    release();
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  Status status_;
  std::atomic<bool> reached_{false};
  std::atomic<bool> released_{false};
  std::thread thread_;
};

TEST_F(GraphTest, WritesGoOnDuringABuildAndAreFoundAfterIt) {
  Collection collection = make(1000);
  HeldBuild build(collection);
  ASSERT_EQ(*collection.erase(numbers(100)), 100u);
  add(collection, 100, 50);
  add(collection, 4000, 50);
  EXPECT_EQ(recall(collection), 1.0) << "exact until the graph serves";
  const Status built = build.finish();
  ASSERT_TRUE(built.is_ok()) << built.to_string();
  EXPECT_EQ(collection.info()->index.points, 850u);
  add(collection, 6000, 200);  // into slots that nobody rests in
  EXPECT_GE(recall(collection), kRecallMin);
  collection = reopen();
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
}

TEST_F(GraphTest, DroppingACollectionEndsItsBuild) {
  Collection collection = make(1000);
  HeldBuild build(collection);
  std::thread drop([&] { EXPECT_TRUE(database_.drop_collection("default")); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(build.finish().code(), StatusCode::kCancelled);
  drop.join();
  EXPECT_FALSE(std::filesystem::exists(folder()));
  EXPECT_EQ(collection.build_index().code(), StatusCode::kNotFound);
}

TEST_F(GraphTest, ClosingEndsABuild) {
  Collection collection = make(1000);
  HeldBuild build(collection);
  std::thread close([&] { EXPECT_TRUE(database_.close()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(build.finish().code(), StatusCode::kCancelled);
  close.join();
  database_ = open_database();
  EXPECT_EQ(database_.collection()->info()->regime, "exact");
  EXPECT_TRUE(graph_files().empty());
}

TEST_F(GraphTest, ASecondBuildWaitsForTheFirst) {
  Collection collection = make(1000);
  HeldBuild build(collection);
  bool waited = false;
  std::thread second([&] {
    EXPECT_TRUE(collection.build_index({.progress = [&](std::string_view phase, double) {
      if (phase == "wait") {
        waited = true;
        build.release();
      }
      return true;
    }}));
  });
  second.join();
  EXPECT_TRUE(build.finish().is_ok());
  EXPECT_TRUE(waited);
  EXPECT_EQ(graph_files().size(), kGraphFiles);
}

TEST_F(GraphTest, TheBackgroundBuildsWhenWritesPause) {
  make(0);
  Collection collection = reopen(automatic_graphs());
  add(collection, 0, 1000);
  const auto indexed = [](uint64_t points) {
    return [points](const CollectionInfo& info) { return info.index.points == points; };
  };
  wait_for(collection, "graph of 1000", indexed(1000));
  EXPECT_GE(recall(collection), kRecallMin);
  add(collection, 5000, 300);
  wait_for(collection, "graph of 1300", indexed(1300));
  ASSERT_TRUE(collection.erase(numbers(300)).is_ok());
  wait_for(collection, "graph of 1000", indexed(1000));
  wait_for(collection, "resident form", is_resident);
  EXPECT_GE(recall(collection), kRecallMin);
  collection = reopen(automatic_graphs());
  EXPECT_EQ(collection.info()->regime, "disk") << "what changes has no file in its resident form";
  EXPECT_GE(recall(collection), kRecallMin);
  wait_for(collection, "resident form again", is_resident);
  EXPECT_GE(recall(collection), kRecallMin);
}

// The graph names the slots of deleted points until it is built anew; then points move, and it is
// built once more.
TEST_F(GraphTest, TheSpaceOfDeletedPointsIsGivenBack) {
  constexpr size_t kWide = 256;
  make(0, {.dim = kWide});
  Collection collection = reopen(automatic_graphs());
  const std::string path = folder() + "vectors.dat";
  RowMaker maker(ScalarType::kF32, kWide, 3);
  const auto rows = maker.rows(5000);
  ASSERT_TRUE(
      collection.upsert(numbers(5000), MatrixView(ScalarType::kF32, rows.data(), 5000, kWide))
          .is_ok());
  wait_for(collection, "graph", [](const auto& info) { return info.index.points == 5000; });
  const uint64_t before = std::filesystem::file_size(path);
  std::vector<uint64_t> doomed = numbers(5000);
  std::erase_if(doomed, [](uint64_t key) { return key % 10 == 0; });
  ASSERT_TRUE(collection.erase(doomed).is_ok());
  wait_for(collection, "smaller file",
           [&](const auto&) { return std::filesystem::file_size(path) * 4 <= before; });
  wait_for(collection, "graph of few", [](const auto& info) { return info.index.points == 500; });
  EXPECT_GE(checked_recall(collection, MatrixView(ScalarType::kF32, rows.data(), 30, kWide)),
            kRecallMin);
  expect_sound();
  wait_for(collection, "resident form", is_resident);
  EXPECT_EQ(collection.size(), 500u);
}

TEST_F(GraphTest, AMemoryLimitTooSmallKeepsACollectionExact) {
  constexpr size_t kWide = 1024;
  auto made = database_.create_collection("default", {.dim = kWide});
  ASSERT_TRUE(made.is_ok());
  const size_t count = 2000;  // whose graph does not fit the 12 MiB that a limit of 32 MiB leaves
  std::vector<float> values(count * kWide);
  std::mt19937 random(3);
  for (float& value : values) value = static_cast<float>(random() % 100);
  ASSERT_TRUE(made->upsert(numbers(count), MatrixView::f32(values.data(), count, kWide)));
  DatabaseOptions options = small_graphs();
  options.memory_limit_bytes = 32u << 20;
  Collection collection = reopen(options);
  const Status refused = collection.build_index();
  EXPECT_EQ(refused.code(), StatusCode::kUnsupported) << refused.to_string();
  EXPECT_NE(refused.message().find("memory"), std::string::npos);
  EXPECT_EQ(collection.info()->regime, "exact");
  EXPECT_EQ(collection.info()->index_error, refused.message());
  const VectorView query(ScalarType::kF32, values.data(), kWide);
  EXPECT_EQ((*collection.search(query))[0].distance, 0);
  // With memory it is built, and opened again without, it serves from disk; where so many threads
  // search that this does not fit either, it waits.
  collection = reopen();
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(collection.info()->regime, "resident");
  options.thread_count = 1;
  collection = reopen(options);
  EXPECT_EQ(collection.info()->regime, "disk") << collection.info()->index_error;
  EXPECT_EQ((*collection.search(query))[0].distance, 0);
  EXPECT_EQ(collection.info()->regime, "disk") << collection.info()->index_error;
  options.thread_count = 16;
  collection = reopen(options);
  EXPECT_EQ(collection.info()->regime, "exact");
  EXPECT_EQ((*collection.search(query))[0].distance, 0);
  EXPECT_NE(collection.info()->index_error, "");
  ASSERT_TRUE(collection.erase(numbers(1)).is_ok());
  ASSERT_TRUE(collection.upsert(numbers(1, 9000), MatrixView::f32(values.data(), 1, kWide)));
  collection = reopen();
  const auto found = collection.search(query, {.k = 1});
  ASSERT_TRUE(found.is_ok());
  EXPECT_EQ((*found)[0].key, Key(uint64_t{9000}));
  EXPECT_EQ(collection.info()->regime, "resident");
}

TEST_F(GraphTest, CachedBlocksMakeRoomForAGraph) {
  constexpr size_t kWide = 1024;
  auto made = database_.create_collection("default", {.dim = kWide, .type = ScalarType::kU8});
  ASSERT_TRUE(made.is_ok());
  const size_t count = 60000;  // 61 MB of 100 MiB or so
  std::vector<uint8_t> values(count * kWide);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>(i * 2654435761 >> 24);
  ASSERT_TRUE(made->upsert(numbers(count), MatrixView::u8(values.data(), count, kWide)));
  DatabaseOptions options = small_graphs();
  options.memory_limit_bytes = 128u << 20;
  Collection collection = reopen(options);
  auto small = database_.create_collection("small", {.dim = kDim, .type = ScalarType::kU8});
  ASSERT_TRUE(small.is_ok());
  add(*small, 0, 1000);
  const VectorView query(ScalarType::kU8, values.data(), kWide);
  ASSERT_TRUE(collection.search(query).is_ok());
  EXPECT_GT(collection.info()->bytes_in_memory, 50u << 20) << "cached by an exact search";
  const Status built = small->build_index();
  ASSERT_TRUE(built.is_ok()) << built.to_string();
  EXPECT_EQ(small->info()->regime, "resident");
  EXPECT_LT(collection.info()->bytes_in_memory, 1u << 20);
  EXPECT_EQ((*collection.search(query))[0].distance, 0);
}

TEST_F(GraphTest, ADamagedGraphCostsSpeedNotTheCollection) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  for (const bool missing : {false, true}) {
    ASSERT_TRUE(database_.close());
    const std::string file = graph_file();
    ASSERT_NE(file, "");
    if (missing) {
      std::filesystem::remove(file);
    } else {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekp(static_cast<std::streamoff>(std::filesystem::file_size(file) / 2));
      const char wrong[8] = {1, 2, 3, 4, 5, 6, 7, 99};
      stream.write(wrong, sizeof wrong);
    }
    database_ = open_database();
    collection = *database_.collection();
    EXPECT_EQ(recall(collection), 1.0);
    const auto info = collection.info();
    EXPECT_EQ(info->regime, "exact");
    EXPECT_NE(info->index_error.find("graph-"), std::string::npos) << info->index_error;
    add(collection, 100, 50);  // the lost graph's slots are not written all the same
    const auto report = database_.verify();
    ASSERT_TRUE(report.is_ok());
    ASSERT_EQ(report->problems.size(), 1u);
    EXPECT_NE(report->problems[0].find("graph-"), std::string::npos) << report->problems[0];
    const auto repaired = database_.verify({.repair = true});
    ASSERT_TRUE(repaired.is_ok());
    EXPECT_EQ(repaired->repaired.size(), 1u);
    EXPECT_EQ(collection.info()->regime, "resident");
    EXPECT_EQ(collection.info()->index_error, "");
    EXPECT_GE(recall(collection), kRecallMin);
    expect_sound();
  }
}

TEST_F(GraphTest, LeftoversOfABuildAreRemovedByTheNextOpen) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  const std::string file = graph_file();
  ASSERT_TRUE(database_.close());
  std::ofstream(folder() + "graph-000099.dat") << "half a graph";
  std::ofstream(folder() + "graph-000099.dat.pairs") << "scratch";
  database_ = open_database();
  EXPECT_EQ(graph_file(), file);
}

// A reader keeps its graph while the writer builds another and uses slots again.
TEST_F(GraphTest, AReaderElsewhereKeepsItsMoment) {
  Collection collection = make(1000);
  ASSERT_TRUE(collection.build_index());
  const MatrixView some = queries(20);
  const auto before = collection.search(some);
  ASSERT_TRUE(before.is_ok());
  DatabaseOptions options = small_graphs();
  options.read_only = true;
  Database reader = open_database(options);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(collection.erase(numbers(500)).is_ok());
    add(collection, 0, 500);
    ASSERT_TRUE(collection.build_index());
  }
  const auto after = reader.collection()->search(some);  // loads its graph only now
  ASSERT_TRUE(after.is_ok());
  EXPECT_EQ(reader.collection()->info()->regime, "resident") << "its file was not taken away";
  for (size_t q = 0; q < 20; ++q) {
    for (size_t i = 0; i < 10; ++i) EXPECT_EQ((*after)[q][i].key, (*before)[q][i].key);
  }
  EXPECT_GE(checked_recall(*reader.collection(), some), kRecallMin);
  ASSERT_TRUE(reader.close());
  collection = reopen();
  EXPECT_EQ(graph_files().size(), kGraphFiles) << "what the reader needed is gone";
}

TEST_F(GraphTest, ReadersOpenWhileGraphsAreBuilt) {
  Collection collection = make(600);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      add(collection, static_cast<uint64_t>(i % 3) * 200, 200);
      const Status built = collection.build_index({.rebuild = true});
      EXPECT_TRUE(built.is_ok()) << built.to_string();
    }
  });
  DatabaseOptions options = small_graphs();
  options.read_only = true;
  options.memory_limit_bytes = 64u << 20;
  for (int round = 0; round < 20; ++round) {
    Database reader = open_database(options);
    const Collection seen = *reader.collection();
    EXPECT_GE(recall(seen), kRecallMin);
    EXPECT_EQ(seen.info()->index_error, "");
  }
  stop = true;
  writer.join();
  expect_sound();
}

}  // namespace
}  // namespace roxanne
