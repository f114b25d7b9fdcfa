// Disk indexes of degenerate sets: few points, equal ones, far ones, wide ones.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "index/disk_build_bytes.h"
#include "index/test_disk_index.h"

namespace roxanne::index {
namespace {

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

// None is nearer than the others: they are found without reading all of them.
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

}  // namespace
}  // namespace roxanne::index
