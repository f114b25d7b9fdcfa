// Searches and scans give up when their time is over, whatever serves them.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "graph_fixture.h"

namespace roxanne {
namespace {

using namespace std::chrono_literals;
using testing_support::regime_of;

Deadline in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

class DeadlineTest : public testing_support::SmallGraphTest {
 protected:
  DeadlineTest() : SmallGraphTest(0) {}

  // A thousand times what is done in that time, and none of it.
  void expect_given_up(const Collection& collection, SearchOptions options = {}) {
    for (const auto time : {0ms, 3ms}) {
      options.deadline = in(time);
      const auto found = collection.search(queries(20'000), options);
      EXPECT_EQ(found.status().code(), StatusCode::kCancelled) << found.status().to_string();
    }
    options.deadline = in(0ms);
    const MatrixView few = queries(1);
    const VectorView one(few.type(), few.data(), few.dim());
    EXPECT_EQ(collection.search(one, options).status().code(), StatusCode::kCancelled);
    EXPECT_EQ(collection.search_like(Key(1), options).status().code(), StatusCode::kCancelled);
    options.deadline = in(1h);
    EXPECT_TRUE(collection.search(one, options).is_ok());
    EXPECT_TRUE(collection.search(few, options).is_ok());
  }
};

TEST_F(DeadlineTest, SearchesOfEveryRegimeGiveUp) {
  Collection collection = make(2000);
  EXPECT_EQ(regime_of(collection), "exact");
  expect_given_up(collection);
  ASSERT_TRUE(collection.build_index(kOnDisk));
  EXPECT_EQ(regime_of(collection), "disk");
  expect_given_up(collection);
  expect_given_up(collection, {.exact = true});
  ASSERT_TRUE(collection.build_index());
  EXPECT_EQ(regime_of(collection), "resident");
  expect_given_up(collection);
  expect_given_up(collection, {.with_payload = true, .with_vector = true});
}

TEST_F(DeadlineTest, ScansGiveUpBetweenTheirPages) {
  const Collection collection = make(100);
  for (const ScanOrder order : {ScanOrder::kAny, ScanOrder::kKey}) {
    const Deadline deadline = in(1s);
    auto scan = collection.scan({.order = order, .deadline = deadline});
    ASSERT_TRUE(scan.is_ok()) << scan.status().to_string();
    const auto page = scan->next(10);
    if (!page.is_ok()) {  // on a slow machine
      EXPECT_EQ(page.status().code(), StatusCode::kCancelled);
    }
    std::this_thread::sleep_until(deadline);
    EXPECT_EQ(scan->next(10).status().code(), StatusCode::kCancelled);
    auto other = collection.scan({.order = order, .deadline = in(1h)});
    ASSERT_TRUE(other.is_ok());
    EXPECT_EQ(other->next(1000)->size(), 100u);
  }
}

}  // namespace
}  // namespace roxanne
