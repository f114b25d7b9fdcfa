#include "eval/measure.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <set>
#include <thread>

namespace roxanne::eval {
namespace {

// Answers each query with its first element, and counts what it was asked.
struct FakeSearch {
  Result<std::vector<std::vector<Neighbor>>> operator()(MatrixView queries, SearchStats& stats) {
    std::vector<std::vector<Neighbor>> found;
    for (size_t i = 0; i < queries.rows(); ++i) {
      found.push_back({Neighbor{.key = Key(static_cast<uint64_t>(queries.row(i)[0]))}});
    }
    stats.queries += queries.rows();
    stats.distance_computations += 10 * queries.rows();
    return found;
  }
};

std::array<uint8_t, 25> numbers() {
  std::array<uint8_t, 25> values{};
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>(i);
  return values;
}

TEST(Percentile, TakesTheNearestRank) {
  std::vector<double> none;
  EXPECT_EQ(percentile(none, 0.5), 0.0);
  std::vector<double> values = {5, 1, 4, 2, 3};
  EXPECT_EQ(percentile(values, 0.5), 3.0);
  EXPECT_EQ(percentile(values, 0.99), 5.0);
  EXPECT_EQ(percentile(values, 0.0), 1.0);
}

TEST(Measure, SearchesEveryQueryOnceOnAnyThreadCountAndBatch) {
  const auto data = numbers();
  for (const size_t threads : {1, 4}) {
    for (const size_t batch : {1, 4, 100}) {
      const auto result = measure_search(FakeSearch(), MatrixView::u8(data.data(), data.size(), 1),
                                         {.thread_count = threads, .batch_rows = batch});
      ASSERT_TRUE(result.is_ok());
      EXPECT_EQ(result->queries, data.size());
      EXPECT_EQ(result->stats.queries, data.size());
      EXPECT_EQ(result->stats.distance_computations, 10 * data.size());
      ASSERT_EQ(result->answers.size(), data.size());
      for (size_t i = 0; i < data.size(); ++i) EXPECT_EQ(result->answers[i][0].id, i);
    }
  }
}

TEST(Measure, TimesCalls) {
  const auto data = numbers();
  const SearchFunction slow = [](MatrixView queries, SearchStats& stats) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return FakeSearch()(queries, stats);
  };
  const auto result = measure_search(slow, MatrixView::u8(data.data(), 5, 1), {});
  ASSERT_TRUE(result.is_ok());
  EXPECT_GE(result->latency_us_p50, 2000.0);
  EXPECT_GE(result->latency_us_p99, result->latency_us_p50);
  EXPECT_GE(result->seconds, 0.010);
  EXPECT_LE(result->qps, 500.0);
}

TEST(Measure, HandsOnAFailureAndStopsWhenCancelled) {
  const auto data = numbers();
  const MatrixView queries = MatrixView::u8(data.data(), data.size(), 1);
  const SearchFunction failing =
      [](MatrixView rows, SearchStats& stats) -> Result<std::vector<std::vector<Neighbor>>> {
    if (static_cast<int>(rows.row(0)[0]) == 20) return Status::corruption("slot 20");
    return FakeSearch()(rows, stats);
  };
  const auto failed = measure_search(failing, queries, {.thread_count = 3});
  EXPECT_EQ(failed.status().code(), StatusCode::kCorruption);
  const auto cancelled = measure_search(FakeSearch(), queries, {.cancelled = [] { return true; }});
  EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
}

TEST(Measure, RefusesNoQueriesAndNoThreads) {
  const auto data = numbers();
  EXPECT_EQ(measure_search(FakeSearch(), MatrixView::u8(data.data(), 0, 1), {}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(measure_search(FakeSearch(), MatrixView::u8(data.data(), 1, 1), {.thread_count = 0})
                .status()
                .code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace roxanne::eval
