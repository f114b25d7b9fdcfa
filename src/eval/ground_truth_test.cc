#include "eval/ground_truth.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/coding.h"
#include "base/f16.h"

namespace roxanne::eval {
namespace {

constexpr uint32_t kSeed = 20240607;

class MemoryReader final : public VectorReader {
 public:
  explicit MemoryReader(VectorBatch rows) : rows_(std::move(rows)) {
    info_.type = rows_.type;
    info_.dim = rows_.dim;
  }
  void tell_rows() { info_.rows = rows_.rows; }

  const VectorFileInfo& info() const override { return info_; }
  Status read(size_t max_rows, VectorBatch& batch) override {
    const size_t row_bytes = rows_.view().row_bytes();
    batch = VectorBatch();
    batch.type = rows_.type;
    batch.dim = rows_.dim;
    // Never more than 100, so that a search sees several blocks.
    batch.rows = std::min({max_rows, rows_.rows - next_, size_t{100}});
    batch.data.assign(
        rows_.data.begin() + static_cast<ptrdiff_t>(next_ * row_bytes),
        rows_.data.begin() + static_cast<ptrdiff_t>((next_ + batch.rows) * row_bytes));
    next_ += batch.rows;
    return Status::ok();
  }
  uint64_t bytes_done() const override { return 0; }
  uint64_t bytes_total() const override { return 0; }

 private:
  VectorBatch rows_;
  VectorFileInfo info_;
  size_t next_ = 0;
};

struct Shape {
  size_t rows;
  size_t dim;
  uint32_t seed;
};

// Small whole numbers: exact in every type, so the naive sums are too.
VectorBatch whole_numbers(ScalarType type, const Shape& shape) {
  std::mt19937 random(shape.seed);
  std::uniform_int_distribution<int> value(type == ScalarType::kU8 ? 0 : -20, 20);
  VectorBatch batch;
  batch.type = type;
  batch.dim = shape.dim;
  batch.rows = shape.rows;
  batch.data.resize(shape.rows * shape.dim * scalar_bytes(type));
  for (size_t i = 0; i < shape.rows * shape.dim; ++i) {
    const int number = value(random);
    std::byte* at = batch.data.data() + i * scalar_bytes(type);
    const float real = static_cast<float>(number);
    const uint16_t half = base::f32_to_f16(real);
    if (type == ScalarType::kF32) std::memcpy(at, &real, sizeof real);
    if (type == ScalarType::kF16) std::memcpy(at, &half, sizeof half);
    if (scalar_bytes(type) == 1) *at = static_cast<std::byte>(number & 0xff);
  }
  return batch;
}

double element(const VectorBatch& batch, size_t row, size_t column) {
  Vector vector;
  vector.type = batch.type;
  const std::byte* data = batch.view().row(row);
  vector.bytes.assign(data, data + batch.view().row_bytes());
  return static_cast<double>(vector.at(column));
}

double naive_distance(const VectorBatch& a, size_t row_a, const VectorBatch& b, size_t row_b,
                      Metric metric) {
  double l2 = 0, dot = 0, norm_a = 0, norm_b = 0;
  for (size_t i = 0; i < a.dim; ++i) {
    const double x = element(a, row_a, i), y = element(b, row_b, i);
    l2 += (x - y) * (x - y);
    dot += x * y;
    norm_a += x * x;
    norm_b += y * y;
  }
  if (metric == Metric::kL2) return l2;
  return metric == Metric::kInnerProduct ? -dot : 1 - dot / std::sqrt(norm_a * norm_b);
}

void expect_naive(const GroundTruth& truth, const VectorBatch& base, const VectorBatch& queries,
                  Metric metric) {
  for (size_t query = 0; query < queries.rows; ++query) {
    std::vector<double> distances;
    for (size_t row = 0; row < base.rows; ++row) {
      distances.push_back(naive_distance(queries, query, base, row, metric));
    }
    std::vector<double> sorted = distances;
    std::sort(sorted.begin(), sorted.end());
    for (size_t rank = 0; rank < truth.k; ++rank) {
      const size_t at = query * truth.k + rank;
      const double slack = 1e-5 * std::max(1.0, std::fabs(sorted[rank]));
      EXPECT_NEAR(static_cast<double>(truth.distances[at]), sorted[rank], slack) << query;
      ASSERT_LT(truth.ids[at], base.rows);
      EXPECT_NEAR(distances[truth.ids[at]], sorted[rank], slack) << query << " rank " << rank;
    }
  }
}

TEST(GroundTruth, EqualsANaiveLoopOnEveryTypeMetricAndThreadCount) {
  SCOPED_TRACE(kSeed);
  const auto types = {ScalarType::kF32, ScalarType::kF16, ScalarType::kU8, ScalarType::kI8};
  const auto metrics = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine};
  for (const ScalarType type : types) {
    const VectorBatch base = whole_numbers(type, {1234, 19, kSeed});
    const VectorBatch queries = whole_numbers(type, {7, 19, kSeed + 1});
    for (const Metric metric : metrics) {
      for (const size_t threads : {1, 3}) {
        MemoryReader reader(base);
        const auto truth = compute_ground_truth(
            reader, queries, {.metric = metric, .k = 11, .thread_count = threads});
        ASSERT_TRUE(truth.is_ok()) << truth.status().to_string();
        EXPECT_EQ(truth->queries, queries.rows);
        EXPECT_EQ(truth->k, 11u);
        expect_naive(*truth, base, queries, metric);
      }
    }
  }
}

TEST(GroundTruth, TellsHowManyRowsAreDone) {
  MemoryReader reader(whole_numbers(ScalarType::kU8, {1000, 4, kSeed}));
  uint64_t last = 0;
  const auto truth = compute_ground_truth(
      reader, whole_numbers(ScalarType::kU8, {2, 4, kSeed}),
      {.k = 5, .thread_count = 1, .progress = [&](uint64_t rows) { last = rows; }});
  ASSERT_TRUE(truth.is_ok());
  EXPECT_EQ(last, 1000u);
}

TEST(GroundTruth, StopsWhenCancelled) {
  MemoryReader reader(whole_numbers(ScalarType::kU8, {1000, 4, kSeed}));
  std::atomic<int> calls{0};
  const auto truth =
      compute_ground_truth(reader, whole_numbers(ScalarType::kU8, {2, 4, kSeed}),
                           {.k = 5, .thread_count = 2, .cancelled = [&] { return ++calls > 2; }});
  EXPECT_EQ(truth.status().code(), StatusCode::kCancelled);
}

StatusCode code_of(VectorBatch base, const VectorBatch& queries,
                   const GroundTruthOptions& options) {
  MemoryReader reader(std::move(base));
  return compute_ground_truth(reader, queries, options).status().code();
}

TEST(GroundTruth, RefusesWhatHasNoAnswer) {
  const VectorBatch base = whole_numbers(ScalarType::kF32, {50, 4, kSeed});
  const VectorBatch queries = whole_numbers(ScalarType::kF32, {3, 4, kSeed});
  const auto refused = StatusCode::kInvalidArgument;
  EXPECT_EQ(code_of(base, queries, {.k = 51}), refused);
  EXPECT_EQ(code_of(base, queries, {.k = 0}), refused);
  EXPECT_EQ(code_of(base, queries, {.k = kGroundTruthEntriesMax}), refused);
  EXPECT_EQ(code_of(base, VectorBatch(), {.k = 5}), refused);
  EXPECT_EQ(code_of(base, whole_numbers(ScalarType::kF32, {3, 5, kSeed}), {.k = 5}), refused);
  EXPECT_EQ(code_of(base, whole_numbers(ScalarType::kU8, {3, 4, kSeed}), {.k = 5}), refused);
  EXPECT_EQ(code_of(base, queries, {.k = 5}), StatusCode::kOk);
}

TEST(GroundTruth, NamesTheRowThatHasNoDistance) {
  VectorBatch base = whole_numbers(ScalarType::kF32, {250, 4, kSeed});
  const VectorBatch queries = whole_numbers(ScalarType::kF32, {3, 4, kSeed});
  std::memset(base.data.data() + 233 * 16, 0, 16);
  EXPECT_EQ(code_of(base, queries, {.k = 5}), StatusCode::kOk);
  MemoryReader with_zero(base);
  const auto zero = compute_ground_truth(with_zero, queries, {.metric = Metric::kCosine, .k = 5});
  EXPECT_NE(zero.status().message().find("base row 233"), std::string::npos);
  const float infinity = std::numeric_limits<float>::infinity();
  std::memcpy(base.data.data() + 17 * 16, &infinity, sizeof infinity);
  MemoryReader with_infinity(base);
  const auto infinite = compute_ground_truth(with_infinity, queries, {.k = 5});
  EXPECT_NE(infinite.status().message().find("base row 17"), std::string::npos);
}

TEST(GroundTruth, KnowsBeforeReadingThatRowsAreTooFew) {
  MemoryReader reader(whole_numbers(ScalarType::kU8, {10, 4, kSeed}));
  reader.tell_rows();
  const auto truth =
      compute_ground_truth(reader, whole_numbers(ScalarType::kU8, {2, 4, kSeed}), {.k = 11});
  EXPECT_EQ(truth.status().code(), StatusCode::kInvalidArgument);
  VectorBatch rest;
  ASSERT_TRUE(reader.read(100, rest).is_ok());
  EXPECT_EQ(rest.rows, 10u);
}

}  // namespace
}  // namespace roxanne::eval
