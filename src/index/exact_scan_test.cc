#include "index/exact_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/f16.h"

namespace roxanne::index {
namespace {

// Random vectors as bytes of a scalar type, with the values they stand for.
struct Vectors {
  ScalarType type;
  size_t rows;
  size_t dim;
  std::vector<std::byte> bytes;
  std::vector<double> values;

  MatrixView view() const { return {type, bytes.data(), rows, dim}; }
  const double* row(size_t r) const { return values.data() + r * dim; }
};

Vectors random_vectors(ScalarType type, size_t rows, size_t dim, uint32_t seed) {
  Vectors out{type, rows, dim, std::vector<std::byte>(rows * dim * scalar_bytes(type)), {}};
  std::mt19937 random(seed);
  for (size_t i = 0; i < rows * dim; ++i) {
    std::byte* at = out.bytes.data() + i * scalar_bytes(type);
    // Few distinct values make many ties.
    if (type == ScalarType::kU8) {
      const uint8_t value = static_cast<uint8_t>(random() % (dim < 4 ? 8 : 256));
      std::memcpy(at, &value, 1);
      out.values.push_back(value);
    } else if (type == ScalarType::kI8) {
      const int8_t value = static_cast<int8_t>(random() % 256 - 128);
      std::memcpy(at, &value, 1);
      out.values.push_back(value);
    } else {
      const float value = std::normal_distribution<float>()(random);
      if (type == ScalarType::kF32) {
        std::memcpy(at, &value, 4);
        out.values.push_back(value);
      } else {
        const uint16_t half = base::f32_to_f16(value);
        std::memcpy(at, &half, 2);
        out.values.push_back(base::f16_to_f32(half));
      }
    }
  }
  return out;
}

double naive_distance(const double* a, const double* b, size_t dim, Metric metric) {
  double l2 = 0, dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < dim; ++i) {
    l2 += (a[i] - b[i]) * (a[i] - b[i]);
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  if (metric == Metric::kL2) return l2;
  if (metric == Metric::kInnerProduct) return -dot;
  return aa * bb > 0 ? 1 - dot / std::sqrt(aa * bb) : 1;
}

struct Case {
  ScalarType type;
  Metric metric;
  size_t queries;
  size_t rows;
  size_t dim;
  size_t k;
};

void expect_same_as_naive(const Case& c, uint32_t seed) {
  SCOPED_TRACE(std::string(scalar_type_name(c.type)) + " " + std::string(metric_name(c.metric)) +
               " queries " + std::to_string(c.queries) + " rows " + std::to_string(c.rows) +
               " dim " + std::to_string(c.dim) + " k " + std::to_string(c.k) + " seed " +
               std::to_string(seed));
  const Vectors base = random_vectors(c.type, c.rows, c.dim, seed);
  const Vectors queries = random_vectors(c.type, c.queries, c.dim, seed + 1);
  std::mt19937 random(seed + 2);
  std::vector<uint64_t> live((c.rows + 63) / 64);
  std::vector<uint64_t> tags(c.rows);
  for (uint64_t& word : live) word = (uint64_t{random()} << 32) | random();
  for (size_t r = 0; r < c.rows; ++r) tags[r] = r * 7 + 1;

  ExactScan scan(queries.view(), c.metric, c.k, 2);
  // Two lanes, uneven pieces; the cut is a multiple of 64 because bitmaps are.
  const size_t cut = c.rows / 2 / 64 * 64;
  scan.scan(0, {.rows = base.bytes.data(),
                .row_count = cut,
                .first_id = 1000,
                .live = live.data(),
                .tags = tags.data()});
  scan.scan(1, {.rows = base.view().row(cut),
                .row_count = c.rows - cut,
                .first_id = 1000 + cut,
                .live = live.data() + cut / 64,
                .tags = tags.data() + cut});
  const auto found = scan.finish();
  EXPECT_EQ(scan.distance_computations(), c.queries * c.rows);

  ASSERT_EQ(found.size(), c.queries);
  for (size_t q = 0; q < c.queries; ++q) {
    std::vector<std::pair<double, uint64_t>> all;
    for (size_t r = 0; r < c.rows; ++r) {
      if (((live[r / 64] >> (r % 64)) & 1) == 0) continue;
      all.emplace_back(naive_distance(queries.row(q), base.row(r), c.dim, c.metric), r);
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(found[q].size(), std::min(c.k, all.size()));
    for (size_t i = 0; i < found[q].size(); ++i) {
      const uint64_t row = found[q][i].id - 1000;
      ASSERT_LT(row, c.rows);
      ASSERT_EQ((live[row / 64] >> (row % 64)) & 1, 1u) << "a dead row was returned";
      ASSERT_EQ(found[q][i].tag, tags[row]);
      const double scale = 1 + std::abs(all[i].first) + static_cast<double>(c.dim) * 0.05;
      ASSERT_NEAR(found[q][i].distance, all[i].first, 1e-5 * scale) << "query " << q << " at " << i;
      const bool is_exact = c.type == ScalarType::kU8 || c.type == ScalarType::kI8;
      if (is_exact && c.metric != Metric::kCosine) {
        ASSERT_EQ(row, all[i].second) << "ties go to the smaller id";
      }
    }
  }
}

class ExactScanTest : public testing::TestWithParam<std::tuple<ScalarType, Metric>> {};

TEST_P(ExactScanTest, AnswersAsBruteForceDoes) {
  const auto [type, metric] = GetParam();
  uint32_t seed = 1;
  for (const size_t queries : {1, 2, 3, 4, 7, 25, 50}) {
    for (const size_t dim : {1, 3, 16, 31, 128, 200}) {
      expect_same_as_naive({type, metric, queries, 300, dim, 10}, seed += 3);
    }
  }
}

TEST_P(ExactScanTest, KMayExceedTheRows) {
  const auto [type, metric] = GetParam();
  for (const size_t rows : {1, 2, 63, 64, 65, 129}) {
    expect_same_as_naive({type, metric, 5, rows, 8, 500}, static_cast<uint32_t>(rows));
    expect_same_as_naive({type, metric, 1, rows, 8, 500}, static_cast<uint32_t>(rows));
  }
}

// Far from the origin, norms - 2 * dot loses the digits in which neighbours differ.
TEST(ExactScan, FloatsFarFromTheOriginAreRankedByTheirDirectDistance) {
  constexpr size_t kDim = 32, kRows = 256, kQueries = 8;
  std::mt19937 random(5);
  std::vector<float> base(kRows * kDim), queries(kQueries * kDim);
  for (float& value : base) value = 1000.0f + static_cast<float>(random() % 100) * 0.01f;
  for (float& value : queries) value = 1000.0f + static_cast<float>(random() % 100) * 0.01f;
  ExactScan scan(MatrixView::f32(queries.data(), kQueries, kDim), Metric::kL2, 5, 1);
  scan.scan(0, {.rows = base.data(), .row_count = kRows});
  const auto found = scan.finish();
  for (size_t q = 0; q < kQueries; ++q) {
    std::vector<double> all;
    for (size_t r = 0; r < kRows; ++r) {
      double sum = 0;
      for (size_t i = 0; i < kDim; ++i) {
        const double difference = static_cast<double>(queries[q * kDim + i]) - base[r * kDim + i];
        sum += difference * difference;
      }
      all.push_back(sum);
    }
    std::sort(all.begin(), all.end());
    for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(found[q][i].distance, all[i], 1e-4 * (1 + all[i]));
  }
}

TEST(ExactScan, ABatchAndSingleQueriesGiveTheSameAnswers) {
  const Vectors base = random_vectors(ScalarType::kF32, 500, 96, 11);
  const Vectors queries = random_vectors(ScalarType::kF32, 30, 96, 12);
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    ExactScan batch(queries.view(), metric, 10, 1);
    batch.scan(0, {.rows = base.bytes.data(), .row_count = 500});
    const auto together = batch.finish();
    for (size_t q = 0; q < 30; ++q) {
      ExactScan single(queries.view().slice(q, 1), metric, 10, 1);
      single.scan(0, {.rows = base.bytes.data(), .row_count = 500});
      const auto alone = single.finish();
      for (size_t i = 0; i < 10; ++i) {
        EXPECT_EQ(together[q][i].id, alone[0][i].id);
        EXPECT_EQ(together[q][i].distance, alone[0][i].distance);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, ExactScanTest,
                         testing::Combine(testing::Values(ScalarType::kF32, ScalarType::kF16,
                                                          ScalarType::kU8, ScalarType::kI8),
                                          testing::Values(Metric::kL2, Metric::kInnerProduct,
                                                          Metric::kCosine)),
                         [](const auto& test) {
                           return std::string(scalar_type_name(std::get<0>(test.param))) + "_" +
                                  std::string(metric_name(std::get<1>(test.param)));
                         });

}  // namespace
}  // namespace roxanne::index
