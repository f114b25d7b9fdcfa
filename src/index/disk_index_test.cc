// A disk index end to end: answers, cost, deletions, degenerate sets, damage, memory.
#include "index/disk_index.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <set>

#include "index/disk_build_bytes.h"
#include "index/test_disk_index.h"
#include "storage/simulated_file_system.h"
#include "storage/test_directory.h"

namespace roxanne::index {
namespace {

constexpr bool kIsSanitized =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    true;
#else
    false;
#endif

// Reads one after the other while it lives.
class WithoutRing {
 public:
  WithoutRing() { ::setenv("ROX_IO", "pread", 1); }
  ~WithoutRing() { ::unsetenv("ROX_IO"); }
};

class DiskIndexTest : public testing::Test {
 protected:
  Result<std::unique_ptr<DiskIndex>> build(const NamedRows& rows, Metric metric,
                                           const DiskBuildOptions& options = {}) {
    return build_disk(storage::posix_file_system(), directory_.path(), rows, metric, options);
  }
  Result<std::unique_ptr<DiskIndex>> open(const NamedRows& rows, Metric metric) {
    return DiskIndex::open(storage::posix_file_system(), disk_paths(directory_.path()),
                           rows.options(metric));
  }

  storage::TestDirectory directory_;
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
  EXPECT_NEAR(static_cast<double>(measured.stats.hops) / 200, 21.9, 0.4);
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
  (*opened)->use_cache((*opened)->page_bytes_on_disk() * 2);
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
  (*small)->use_cache(1u << 18);
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

// ---- Degenerate sets. ----

TEST_F(DiskIndexTest, TinySetsWork) {
  for (const Metric metric : kAllMetrics) {
    for (const size_t count : {1u, 2u, 3u, 31u, 33u}) {
      SCOPED_TRACE(std::to_string(count) + " points");
      const NamedRows rows(make_test_rows(ScalarType::kF16, count, 5, 23));
      const auto built = build(rows, metric);
      ASSERT_TRUE(built.is_ok()) << built.status().to_string();
      expect_sound(**built, rows);
      const SearchedDisk searched(rows, metric, rows.rows);
      EXPECT_EQ(searched.measure(**built, {.k = 40}).recall(), 1.0) << "k is more than there are";
      EXPECT_EQ(searched.measure(**built, {.k = 1}).recall(), 1.0);
      const auto opened = open(rows, metric);
      ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
      EXPECT_EQ(searched.measure(**opened, {.k = 40}).recall(), 1.0);
    }
  }
}

// ... and without reading all of them: none is nearer than the others.
TEST_F(DiskIndexTest, EqualPointsAndZerosAreFound) {
  for (const float value : {0.0f, 2.5f}) {
    TestRows all = make_test_rows(ScalarType::kF32, 3000, 16, 24);
    for (size_t i = 0; i < 3000 * 16; ++i) store_scalar(all.type, value, all.bytes.data() + 4 * i);
    const NamedRows rows(all);
    const TestRows queries = make_test_rows(ScalarType::kF32, 5, 16, 25);
    const TestRows same{all.type, 1, 16, {all.bytes.begin(), all.bytes.begin() + 64}};
    for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
      const auto built = build(rows, metric);
      ASSERT_TRUE(built.is_ok()) << built.status().to_string();
      expect_sound(**built, rows);
      for (const TestRows* some : {&queries, &same}) {
        const SearchedDisk searched(rows, metric, *some);
        const auto measured = searched.measure(**built, {.k = 10, .search_list_size = 160});
        EXPECT_EQ(measured.recall(), 1.0);
        EXPECT_LE(measured.stats.reads, 64 * some->rows);
        EXPECT_EQ(searched.measure(**built, {.k = 100}).recall(), 1.0);
      }
    }
  }
}

TEST_F(DiskIndexTest, CopiesAndFarClustersAreFound) {
  TestRows all = make_test_rows(ScalarType::kF32, 3000, 16, 26);
  auto* values = reinterpret_cast<float*>(all.bytes.data());
  for (size_t i = 1000; i < 2000; ++i) std::memcpy(values + i * 16, values, 64);  // 1,001 copies
  for (size_t i = 2000 * 16; i < 3000 * 16; ++i) values[i] += 1e6f;               // far away
  const NamedRows rows(all);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  expect_sound(**built, rows);
  TestRows queries{all.type, 0, all.dim, {}};
  for (const size_t i : {0u, 5u, 500u, 1500u, 2100u, 2999u}) {
    queries.bytes.insert(queries.bytes.end(), all.view().row(i), all.view().row(i) + 64);
    ++queries.rows;
  }
  const SearchedDisk searched(rows, Metric::kL2, queries);
  EXPECT_GE(searched.measure(**built, {.k = 10, .search_list_size = 100}).recall(), 0.95);
  EXPECT_EQ(searched.measure(**built, {.k = 1}).recall(), 1.0);
}

// One point so far away that nothing else tells it from the rest.
TEST_F(DiskIndexTest, APointFarFromAllOthersHidesNone) {
  TestRows all = make_test_rows(ScalarType::kF32, 1500, 16, 27);
  auto* values = reinterpret_cast<float*>(all.bytes.data());
  for (size_t d = 0; d < 16; ++d) values[1234 * 16 + d] = 1e9f;
  const NamedRows rows(all);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  const TestRows queries = make_test_rows(ScalarType::kF32, 20, 16, 28);
  EXPECT_GE(SearchedDisk(rows, Metric::kL2, queries)
                .measure(**built, {.k = 10, .search_list_size = 100})
                .recall(),
            0.95);
  const TestRows far{all.type, 1, 16, {all.view().row(1234), all.view().row(1234) + 64}};
  EXPECT_EQ(SearchedDisk(rows, Metric::kL2, far).measure(**built, {.k = 1}).recall(), 1.0);
}

// What is built can be opened again; what could not is refused when it is built.
TEST_F(DiskIndexTest, FloatsThatAreTooLargeAreRefusedAtOnce) {
  for (const Metric metric : kAllMetrics) {
    for (const float factor : {1e10f, 1e18f, 1e36f}) {
      SCOPED_TRACE(factor);
      TestRows all = make_test_rows(ScalarType::kF32, 500, 8, 29);
      auto* values = reinterpret_cast<float*>(all.bytes.data());
      for (size_t i = 0; i < 500 * 8; ++i) values[i] *= i % 3 == 0 ? factor : 1.0f;
      const NamedRows rows(all);
      const auto built = build(rows, metric);
      if (!built.is_ok()) {
        EXPECT_EQ(built.status().code(), StatusCode::kUnsupported) << built.status().to_string();
        EXPECT_GE(factor, 1e18f);
        EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
        continue;
      }
      base::ThreadPool pool(0);
      const auto outcomes = (*built)->search(rows.rows.view().slice(0, 20), rows.live(), pool, {});
      for (const DiskOutcome& outcome : outcomes) EXPECT_TRUE(outcome.status.is_ok());
      EXPECT_TRUE(open(rows, metric).is_ok());
    }
  }
}

TEST_F(DiskIndexTest, WideVectorsTakePagesOfTheirOwn) {
  for (const auto& [dim, page_bytes] : {std::pair<size_t, size_t>{1024, 16384}, {4096, 20480}}) {
    const NamedRows rows(make_test_rows(ScalarType::kF32, 300, dim, 30));
    const TestRows queries = make_test_rows(ScalarType::kF32, 20, dim, 31);
    const auto built = build(rows, Metric::kL2);
    ASSERT_TRUE(built.is_ok()) << built.status().to_string();
    EXPECT_EQ((*built)->graph().layout.page_bytes, page_bytes);
    const SearchedDisk searched(rows, Metric::kL2, queries);
    EXPECT_GE(searched.measure(**built, {.k = 10, .search_list_size = 100}).recall(), 0.98);
    const auto opened = open(rows, Metric::kL2);
    ASSERT_TRUE(opened.is_ok());
    expect_sound(**opened, rows);
  }
  EXPECT_FALSE(fits_disk_index({.dim = 16384}));
}

// ---- Disks that fail. ----

// A page of the file, damaged where its nodes are.
void flip_in_page(const std::string& path, uint64_t physical_page, uint32_t page_bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(physical_page * page_bytes + 777));
  const char byte = static_cast<char>(file.get() ^ 4);
  file.seekp(static_cast<std::streamoff>(physical_page * page_bytes + 777));
  file.put(byte);
}

TEST_F(DiskIndexTest, ADamagedPageFailsTheQueriesThatWantItAndNoOthers) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 4000, 32, 32));
  const TestRows queries = make_test_rows(ScalarType::kU8, 80, 32, 33);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  const SearchedDisk searched(rows, Metric::kL2, queries);
  const DiskSearchOptions options{.k = 10, .search_list_size = 20, .thread_count = 2};
  const auto good = searched.search(**built, options);
  const std::string pages = disk_paths(directory_.path()).pages;
  flip_in_page(pages, 20, (*built)->graph().layout.page_bytes);
  const auto opened = open(rows, Metric::kL2);
  ASSERT_TRUE(opened.is_ok());
  (*opened)->use_cache(1u << 20);
  for (int round = 0; round < 2; ++round) {
    const auto outcomes = searched.search(**opened, options);
    size_t failed = 0;
    for (size_t q = 0; q < outcomes.size(); ++q) {
      if (outcomes[q].status.is_ok()) {
        expect_same({outcomes[q]}, {good[q]});
        continue;
      }
      ++failed;
      EXPECT_EQ(outcomes[q].status.code(), StatusCode::kCorruption);
      EXPECT_NE(outcomes[q].status.message().find(pages), std::string::npos);
      EXPECT_NE(outcomes[q].status.message().find("page "), std::string::npos);
      EXPECT_TRUE(outcomes[q].found.empty());
    }
    EXPECT_GT(failed, 0u);
    EXPECT_LT(failed, outcomes.size() / 2);
  }
  size_t problems = 0;
  (*opened)->verify({}, {}, [&](const Status& status) {
    EXPECT_NE(status.message().find(pages), std::string::npos) << status.to_string();
    return ++problems < 5;
  });
  EXPECT_GT(problems, 0u);
}

TEST_F(DiskIndexTest, AReadThatFailsFailsItsQueryAlone) {
  storage::SimulatedFileSystem file_system;
  ASSERT_TRUE(file_system.create_directory("/db").is_ok());
  const NamedRows rows(make_test_rows(ScalarType::kU8, 3000, 32, 34));
  const TestRows queries = make_test_rows(ScalarType::kU8, 30, 32, 35);
  auto built = build_disk(file_system, "/db", rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok()) << built.status().to_string();
  const SearchedDisk searched(rows, Metric::kL2, queries);
  const auto good = searched.search(**built, {.k = 10, .search_list_size = 20});
  uint64_t reads = 0;
  for (const DiskOutcome& outcome : good) reads += outcome.stats.reads;
  for (uint64_t nth = 1; nth <= reads; nth += 13) {
    file_system.inject(
        {.operation = storage::Operation::kRead, .occurrence = nth, .path_contains = ".pages"});
    const auto outcomes = searched.search(**built, {.k = 10, .search_list_size = 20});
    file_system.clear_faults();
    size_t failed = 0;
    for (size_t q = 0; q < outcomes.size(); ++q) {
      if (outcomes[q].status.is_ok()) {
        expect_same({outcomes[q]}, {good[q]});
        continue;
      }
      ++failed;
      EXPECT_EQ(outcomes[q].status.code(), StatusCode::kIoError);
      const std::string message = outcomes[q].status.message();
      EXPECT_NE(message.find("/db/graph.pages"), std::string::npos) << message;
      EXPECT_NE(message.find("page "), std::string::npos) << message;
    }
    EXPECT_EQ(failed, 1u) << "read " << nth;
  }
  expect_same(searched.search(**built, {.k = 10, .search_list_size = 20}), good);
}

// ---- Memory. ----

uint64_t allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_F(DiskIndexTest, MemoryIsWhatIsAllocated) {
  if (kIsSanitized) GTEST_SKIP() << "another allocator";
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
  (*opened)->use_cache(1u << 20);  // larger buffers are not the allocator's
  const double cache = static_cast<double>(allocated_bytes() - without_cache);
  EXPECT_NEAR(cache, static_cast<double>((*opened)->cache_bytes()), 0.1 * cache);
}

}  // namespace
}  // namespace roxanne::index
