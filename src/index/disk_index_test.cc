// A disk index end to end: answers, cost, deletions, memory.
#include "index/disk_index.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>

#include <chrono>
#include <random>
#include <thread>

#include "base/sanitized.h"
#include "index/disk_build_bytes.h"
#include "index/test_disk_index.h"

namespace roxanne::index {
namespace {

// Reads one after the other while it lives.
class WithoutRing {
 public:
  WithoutRing() { ::setenv("ROX_IO", "pread", 1); }
  ~WithoutRing() { ::unsetenv("ROX_IO"); }
};

struct TypeCase {
  ScalarType type;
  Metric metric;
};
class DiskIndexTypeTest : public DiskIndexTest, public testing::WithParamInterface<TypeCase> {};

TEST_P(DiskIndexTypeTest, IsFoundAndOpensAgainWithTheSameAnswers) {
  const auto [type, metric] = GetParam();
  const NamedRows rows(make_test_rows(type, 3000, 40, 1));
  const TestRows queries = make_test_rows(type, 50, 40, 2);
  const SearchedDisk searched(rows, metric, queries);
  const auto built = build(rows, metric);
  ASSERT_TRUE(built.is_ok()) << built.status().to_string();
  expect_sound(**built, rows);
  EXPECT_GE(searched.measure(**built, {.k = 10}).recall(), 0.95);
  EXPECT_GE(searched.measure(**built, {.k = 10, .search_list_size = 160}).recall(), 0.99);
  EXPECT_GE(searched.measure(**built, {.k = 100}).recall(), 0.95);
  const auto opened = open(rows, metric);
  ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
  EXPECT_EQ((*opened)->default_search_list_size(), (*built)->default_search_list_size());
  expect_sound(**opened, rows);
  const DiskSearchOptions options{.k = 10, .search_list_size = 40};
  const auto outcomes = searched.search(**built, options);
  expect_same(searched.search(**opened, options), outcomes);
  const WithoutRing without_ring;
  const auto pread = open(rows, metric);
  ASSERT_TRUE(pread.is_ok());
  expect_same(searched.search(**pread, options), outcomes);
}

// A query that has begun ends when the pages that it waits for have come; others do not begin.
TEST_F(DiskIndexTest, QueriesGiveUpBetweenTheirReads) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 3000, 40, 1));
  const TestRows queries = make_test_rows(ScalarType::kU8, 50, 40, 2);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok()) << built.status().to_string();
  DiskIndex& index = **built;
  const SearchedDisk searched(rows, Metric::kL2, queries);
  for (const DiskOutcome& outcome :
       searched.search(index, {.deadline = std::chrono::steady_clock::now()})) {
    EXPECT_EQ(outcome.status.code(), StatusCode::kCancelled);
    EXPECT_EQ(outcome.stats.reads, 0u);
  }
  for (const bool waits : {true, false}) {
    const Deadline deadline = std::chrono::steady_clock::now() +
                              (waits ? std::chrono::milliseconds(300) : std::chrono::hours(1));
    const auto held = [&](uint32_t, std::span<std::byte>) {
      if (waits) std::this_thread::sleep_until(deadline);
      return false;
    };
    bool is_given = false;
    const auto next = [&]() -> std::optional<DiskQuery::Request> {
      if (std::exchange(is_given, true)) return std::nullopt;
      return DiskQuery::Request{
          .query = queries.view().row(0), .k = 1000, .search_list_size = 3000};
    };
    DiskOutcome outcome;
    const auto lane = index.take_lane();
    ASSERT_TRUE(lane->run({.held = held, .deadline = deadline}, next,
                          [&](size_t, DiskOutcome done) { outcome = std::move(done); }));
    if (waits) {
      EXPECT_EQ(outcome.status.code(), StatusCode::kCancelled);
      EXPECT_LE(outcome.stats.read_rounds, 1u);
      EXPECT_TRUE(outcome.found.empty());
    } else {
      EXPECT_TRUE(outcome.status.is_ok()) << outcome.status.to_string();
      EXPECT_GT(outcome.stats.read_rounds, 1u) << "else nothing was shown";
    }
  }
}

std::vector<TypeCase> type_cases() {
  std::vector<TypeCase> cases;
  for (const ScalarType type : kAllTypes) {
    for (const Metric metric : kAllMetrics) cases.push_back({type, metric});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(All, DiskIndexTypeTest, testing::ValuesIn(type_cases()),
                         [](const auto& test) {
                           return std::string(scalar_type_name(test.param.type)) + "_" +
                                  std::string(metric_name(test.param.metric));
                         });

// What a search costs is known: a change has to be explained. Codes are made with floats, whose
// last digits differ between instruction sets, hence the tolerances.
TEST_F(DiskIndexTest, CostOfSearchesIsKnown) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 20000, 64, 12));
  const TestRows queries = make_test_rows(ScalarType::kU8, 200, 64, 13);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok()) << built.status().to_string();
  const SearchedDisk searched(rows, Metric::kL2, queries);
  const auto measured = searched.measure(**built, {.k = 10, .search_list_size = 20});
  EXPECT_NEAR(measured.recall(), 0.995, 0.005);
  EXPECT_NEAR(static_cast<double>(measured.stats.reads) / 200, 5.64, 0.1);
  EXPECT_NEAR(static_cast<double>(measured.stats.read_rounds) / 200, 1.105, 0.03);
  EXPECT_NEAR(static_cast<double>(measured.stats.hops) / 200, 16.36, 0.4);
  EXPECT_NEAR(static_cast<double>(measured.stats.distance_computations) / 200, 2315, 60);
  EXPECT_EQ(measured.stats.bytes_read, measured.stats.reads * 4096);
  EXPECT_EQ(measured.stats.cache_hits, 0u);
}

TEST_F(DiskIndexTest, ACachedPageIsNotReadAndChangesNoAnswer) {
  const NamedRows rows(make_test_rows(ScalarType::kF16, 4000, 32, 14));
  const TestRows queries = make_test_rows(ScalarType::kF16, 60, 32, 15);
  const SearchedDisk searched(rows, Metric::kCosine, queries);
  const auto built = build(rows, Metric::kCosine);
  ASSERT_TRUE(built.is_ok());
  const DiskSearchOptions options{.k = 10, .search_list_size = 30};
  const auto outcomes = searched.search(**built, options);
  const auto opened = open(rows, Metric::kCosine);
  ASSERT_TRUE(opened.is_ok());
  (*opened)->resize_cache((*opened)->page_bytes_on_disk() * 2);
  EXPECT_GT((*opened)->cache_bytes(), (*opened)->page_bytes_on_disk());
  expect_same(searched.search(**opened, options), outcomes);
  const auto again = searched.search(**opened, options);
  expect_same(again, outcomes);
  for (const DiskOutcome& outcome : again) {
    EXPECT_EQ(outcome.stats.reads, 0u);
    EXPECT_EQ(outcome.stats.bytes_read, 0u);
    EXPECT_GT(outcome.stats.cache_hits, 0u);
  }
  const auto small = open(rows, Metric::kCosine);
  ASSERT_TRUE(small.is_ok());
  (*small)->resize_cache(1u << 18);
  for (int round = 0; round < 3; ++round) expect_same(searched.search(**small, options), outcomes);
}

TEST_F(DiskIndexTest, ABatchOnSeveralThreadsAnswersLikeItsQueriesOneByOne) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 5000, 32, 16));
  const TestRows queries = make_test_rows(ScalarType::kU8, 70, 32, 17);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  const SearchedDisk searched(rows, Metric::kL2, queries);
  const auto batch = searched.search(**built, {.k = 10, .search_list_size = 40});
  expect_same(searched.search(**built, {.k = 10, .search_list_size = 40, .thread_count = 3}),
              batch);
  base::ThreadPool pool(0);
  std::vector<DiskOutcome> one_by_one;
  for (size_t q = 0; q < queries.rows; ++q) {
    auto one =
        (*built)->search(queries.row(q), rows.live(), pool, {.k = 10, .search_list_size = 40});
    ASSERT_EQ(one.size(), 1u);
    EXPECT_EQ(one[0].stats.queries, 1u);
    EXPECT_EQ(one[0].stats.search_list_size_used, 40u);
    one_by_one.push_back(std::move(one[0]));
  }
  expect_same(one_by_one, batch);
}

TEST_F(DiskIndexTest, ALongerListFindsMore) {
  const NamedRows rows(make_test_rows(ScalarType::kF32, 10000, 48, 18));
  const TestRows queries = make_test_rows(ScalarType::kF32, 100, 48, 19);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  const SearchedDisk searched(rows, Metric::kL2, queries);
  double recall = 0;
  uint64_t reads = 0;
  for (const size_t size : {10u, 20u, 40u, 80u, 320u}) {
    const auto measured = searched.measure(**built, {.k = 10, .search_list_size = size});
    EXPECT_GE(measured.recall(), recall - 0.005) << size;
    EXPECT_GE(measured.stats.reads, reads * 9 / 10) << size;
    recall = measured.recall();
    reads = measured.stats.reads;
  }
  EXPECT_GE(recall, 0.995);
}

// Points of a cluster that are all about as far away as the k-th nearest, and codes that say nearly
// all (24 coordinates) or little (600) about them: a first guess of that distance must not hide
// any.
TEST_F(DiskIndexTest, GuessesHideNoAnswer) {
  for (const size_t dim : {24u, 600u}) {
    SCOPED_TRACE(dim);
    const auto make = [dim](size_t count, uint32_t seed) {
      std::mt19937 random(seed), centre_random(77);
      std::vector<uint32_t> centres(12 * dim);
      for (uint32_t& value : centres) value = 10 + static_cast<uint32_t>(centre_random() % 80);
      TestRows rows{ScalarType::kU8, count, dim, std::vector<std::byte>(count * dim)};
      for (size_t i = 0; i < count * dim; ++i) {
        const size_t centre = i / dim % 12;
        rows.bytes[i] = static_cast<std::byte>(centres[centre * dim + i % dim] + random() % 21);
      }
      return rows;
    };
    const NamedRows rows(make(2500, 1));
    const TestRows queries = make(30, 2);
    const auto built = build(rows, Metric::kL2);
    ASSERT_TRUE(built.is_ok());
    EXPECT_LE((*built)->default_search_list_size(), 60u);
    const SearchedDisk searched(rows, Metric::kL2, queries);
    EXPECT_GE(searched.measure(**built, {.k = 10}).recall(), 0.93);
    EXPECT_GE(searched.measure(**built, {.k = 10, .search_list_size = 160}).recall(), 0.99);
    EXPECT_GE(searched.measure(**built, {.k = 10, .search_list_size = 4096}).recall(), 0.99);
  }
}

// Slots that are not live are no answers, and take no answer's place.
TEST_F(DiskIndexTest, DeadNodesNeverTakeALivePlace) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 6000, 24, 20));
  const TestRows queries = make_test_rows(ScalarType::kU8, 30, 24, 21);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  base::ThreadPool pool(0);
  const auto truth = truth_of(rows, Metric::kL2, queries, rows.rows.rows);
  for (const size_t share : {2u, 10u, 100u, 1500u}) {
    std::vector<uint32_t> alive;
    for (size_t i = 0; i < rows.slots.size(); i += share) alive.push_back(rows.slots[i]);
    const LiveSet live = set_of_slots(alive);
    const auto outcomes = (*built)->search(queries.view(), live, pool, {.k = 10});
    size_t hits = 0, wanted = 0;
    for (size_t q = 0; q < outcomes.size(); ++q) {
      ASSERT_TRUE(outcomes[q].status.is_ok());
      std::vector<float> nearest;
      for (const ScanNeighbor& one : truth[q]) {
        if (live.contains(static_cast<uint32_t>(one.id))) nearest.push_back(one.distance);
      }
      nearest.resize(std::min<size_t>(10, nearest.size()));
      // Fewer than there are is allowed: callers compare with every vector then.
      ASSERT_LE(outcomes[q].found.size(), nearest.size());
      if (share <= 100) {
        EXPECT_EQ(outcomes[q].found.size(), nearest.size()) << share;
      }
      for (const ScanNeighbor& one : outcomes[q].found) {
        ASSERT_TRUE(live.contains(static_cast<uint32_t>(one.id)));
        hits += one.distance <= nearest.back() ? 1 : 0;
      }
      wanted += nearest.size();
    }
    EXPECT_GE(static_cast<double>(hits), 0.8 * static_cast<double>(wanted)) << "1 of " << share;
  }
  const auto none = (*built)->search(queries.view(), LiveSet(), pool, {.k = 10});
  for (const DiskOutcome& outcome : none) {
    EXPECT_TRUE(outcome.status.is_ok());
    EXPECT_TRUE(outcome.found.empty());
  }
}

TEST_F(DiskIndexTest, QueriesCanLeaveOutASlotEach) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 1000, 16, 22));
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  base::ThreadPool pool(0);
  const auto outcomes = (*built)->search(rows.rows.view().slice(0, 50), rows.live(), pool,
                                         {.k = 5, .without = rows.slots.data()});
  for (size_t q = 0; q < 50; ++q) {
    ASSERT_EQ(outcomes[q].found.size(), 5u);
    for (const ScanNeighbor& one : outcomes[q].found) EXPECT_NE(one.id, rows.slots[q]);
  }
}

uint64_t allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_F(DiskIndexTest, MemoryIsWhatIsAllocated) {
  if (base::kIsSanitized) GTEST_SKIP() << "another allocator";
  const NamedRows rows(make_test_rows(ScalarType::kU8, 30000, 64, 36));
  const TestRows queries = make_test_rows(ScalarType::kU8, 40, 64, 37);
  ASSERT_TRUE(build(rows, Metric::kL2).is_ok());
  const LiveSet live = rows.live();
  base::ThreadPool pool(0);
  const uint64_t before = allocated_bytes();
  auto opened = open(rows, Metric::kL2);
  ASSERT_TRUE(opened.is_ok());
  const double held = static_cast<double>(allocated_bytes() - before);
  const DiskMemory memory = (*opened)->memory();
  EXPECT_EQ(memory.search_buffers, 0u);
  EXPECT_NEAR(held, static_cast<double>(memory.total()), 0.1 * held);
  const ResidentBytes told = disk_serving_bytes(rows.options(Metric::kL2), rows.rows.rows);
  // Two of three slots are nobody's.
  const double gaps = 2.0 * static_cast<double>(rows.rows.rows * sizeof(uint32_t));
  EXPECT_LE(held - gaps, 1.1 * static_cast<double>(told.wanted));
  EXPECT_GE(held, 0.8 * static_cast<double>(told.wanted));
  // Buffers of searches stay.
  for (const size_t k : {10u, 100u}) {
    (void)(*opened)->search(queries.view(), live, pool, {.k = k, .search_list_size = 4 * k});
    const double buffers = static_cast<double>(allocated_bytes() - before) - held;
    EXPECT_NEAR(buffers, static_cast<double>((*opened)->memory().search_buffers), 0.2 * buffers);
    EXPECT_LE(buffers, 1.3 * static_cast<double>((*opened)->lane_bytes())) << "k " << k;
  }
  const uint64_t without_cache = allocated_bytes();
  (*opened)->resize_cache(1u << 20);  // larger buffers are not the allocator's
  const double cache = static_cast<double>(allocated_bytes() - without_cache);
  EXPECT_NEAR(cache, static_cast<double>((*opened)->cache_bytes()), 0.1 * cache);
}

}  // namespace
}  // namespace roxanne::index
