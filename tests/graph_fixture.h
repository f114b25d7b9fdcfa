// What tests of graphs share: a database on real files with one collection of small clusters.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "roxanne/roxanne.h"
#include "small_graphs.h"
#include "temporary_directory.h"

namespace roxanne::testing_support {

inline Database open_or_die(const std::string& path, const DatabaseOptions& options) {
  auto database = Database::open(path, options);
  if (!database.is_ok()) ADD_FAILURE() << database.status().to_string();
  return std::move(database).value();
}

inline CollectionInfo info_of(const Collection& collection) {
  const auto info = collection.info();
  if (!info.is_ok()) ADD_FAILURE() << info.status().to_string();
  return info.is_ok() ? *info : CollectionInfo{};
}

// What serves, and where that is not as it should be, why.
inline std::string regime_of(const Collection& collection) {
  const auto info = collection.info();
  if (!info.is_ok()) return info.status().to_string();
  return info->index_error.empty() ? info->regime : info->regime + ": " + info->index_error;
}

// Everything the index has is live, and everything live is in the index.
inline bool has_caught_up(const CollectionInfo& info) {
  return info.index.points == info.points && info.index.dead_nodes == 0;
}

// Five minutes at the most, until the condition holds.
inline void wait_for(const Collection& collection, const std::string& what,
                     const std::function<bool(const CollectionInfo&)>& condition) {
  for (int i = 0; i < 12000; ++i) {
    if (condition(info_of(collection))) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  const CollectionInfo info = info_of(collection);
  ADD_FAILURE() << "no " << what << ": regime " << info.regime << ", " << info.points
                << " points, indexed " << info.index.points << ", dead " << info.index.dead_nodes
                << ", changes " << info.index.changes_since_checkpoint << " " << info.index_error;
}

using Answers = std::vector<std::vector<std::pair<Key, float>>>;

inline Answers answers_of(const Collection& collection, const MatrixView& queries,
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

// Threads that search a collection of rows of `type` and `dim`, until they are stopped. Whatever
// else goes on, all keys are below `key_end`.
class Searchers {
 public:
  Searchers(Collection collection, const CollectionOptions& options, uint64_t key_end)
      : collection_(std::move(collection)), options_(options), key_end_(key_end) {
    for (uint32_t t = 0; t < 2; ++t) {
      threads_.emplace_back([this, t] { search(t); });
    }
  }
  ~Searchers() { stop(); }
  void stop() {
    is_stopped_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void search(uint32_t seed) const {
    constexpr size_t kRows = 6;
    RowMaker maker(options_.type, options_.dim, 1);
    std::mt19937 random(seed);
    while (!is_stopped_) {
      const auto rows = maker.rows(kRows);
      const MatrixView queries(options_.type, rows.data(), kRows, options_.dim);
      const auto found = collection_.search(queries, {.k = 5, .exact = random() % 8 == 0});
      ASSERT_TRUE(found.is_ok()) << found.status().to_string();
      for (const auto& answers : *found) expect_five(answers);
      const auto one = collection_.search(VectorView(options_.type, rows.data(), options_.dim));
      ASSERT_TRUE(one.is_ok()) << one.status().to_string();
    }
  }
  void expect_five(const std::vector<Neighbor>& answers) const {
    EXPECT_EQ(answers.size(), 5u);
    std::set<Key> keys;
    for (const Neighbor& neighbor : answers) {
      EXPECT_LT(neighbor.key.u64(), key_end_);
      EXPECT_TRUE(keys.insert(neighbor.key).second) << "twice";
    }
  }

  const Collection collection_;
  const CollectionOptions options_;
  const uint64_t key_end_;
  std::atomic<bool> is_stopped_{false};
  std::vector<std::thread> threads_;
};

class SmallGraphTest : public testing::Test {
 protected:
  static constexpr size_t kDim = 24;
  static constexpr uint64_t kPointsMin = 200;
  // Small clustered collections: a graph should find nearly everything in them.
  static constexpr double kRecallMin = 0.9;
  // On disk alone, however little there is.
  static inline const IndexOptions kOnDisk = {.rebuild = true, .serving_memory_bytes = 1};

  explicit SmallGraphTest(uint32_t thread_count = 2)
      : thread_count_(thread_count), database_(open_database()) {}

  DatabaseOptions small_graphs() const {
    DatabaseOptions options;
    options.create_if_missing = true;
    options.thread_count = thread_count_;
    options.automatic_index = false;
    options.index_points_min = kPointsMin;
    return options;
  }
  DatabaseOptions automatic_graphs() const {
    DatabaseOptions options = small_graphs();
    options.automatic_index = true;
    return options;
  }
  Database open_database() const { return open_database(small_graphs()); }
  Database open_database(const DatabaseOptions& options) const {
    return open_or_die(directory_.database(), options);
  }
  Collection reopen() { return reopen(small_graphs()); }
  Collection reopen(const DatabaseOptions& options) {
    const Status closed = database_.close();
    EXPECT_TRUE(closed.is_ok()) << closed.to_string();
    database_ = open_database(options);
    return *database_.collection();
  }

  Collection make(size_t points,
                  const CollectionOptions& options = {.dim = kDim, .type = ScalarType::kU8}) {
    options_ = options;
    maker_ = RowMaker(options.type, options.dim, 1);
    queries_ = maker_.with_other_rows(2);
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
  // Others each time; they stay until the next are asked for. Not from two threads.
  MatrixView queries(size_t count) {
    query_rows_ = queries_.rows(count);
    return {options_.type, query_rows_.data(), count, options_.dim};
  }
  double recall(const Collection& collection, const SearchOptions& options = {}) {
    return checked_recall(collection, queries(30), options);
  }
  void expect_sound() { testing_support::expect_sound(database_); }

  std::string folder() const { return directory_.database() + "/collections/000001/"; }
  std::set<std::string> graph_files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder())) {
      const std::string name = entry.path().filename();
      if (name.starts_with("graph-")) names.insert(name);
    }
    return names;
  }

  const uint32_t thread_count_;
  TemporaryDirectory directory_;
  Database database_;
  CollectionOptions options_{.dim = kDim, .type = ScalarType::kU8};  // of what add() adds to
  RowMaker maker_{ScalarType::kU8, kDim, 1};
  RowMaker queries_ = maker_.with_other_rows(2);  // from the same clusters
  std::vector<std::byte> query_rows_;
};

struct TypeCase {
  ScalarType type;
  Metric metric;
};

inline std::vector<TypeCase> type_cases() {
  std::vector<TypeCase> cases;
  for (const ScalarType type :
       {ScalarType::kF32, ScalarType::kF16, ScalarType::kU8, ScalarType::kI8}) {
    for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
      cases.push_back({type, metric});
    }
  }
  return cases;
}

inline std::string name_of(const TypeCase& test_case) {
  return std::string(scalar_type_name(test_case.type)) + "_" +
         std::string(metric_name(test_case.metric));
}

}  // namespace roxanne::testing_support
