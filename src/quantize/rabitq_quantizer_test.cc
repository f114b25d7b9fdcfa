#include "quantize/rabitq_quantizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/coding.h"
#include "quantize/random.h"
#include "quantize/recall_data.h"

namespace roxanne::quantize {
namespace {

constexpr size_t kSetDim = 128;
constexpr size_t kSetRows = 500;

std::vector<float> around_one(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = 1 + random.gaussian();
  return values;
}

RecallSet make_set(Metric metric) {
  return {rows_of_floats(around_one(kSetRows * kSetDim, 1), kSetDim),
          rows_of_floats(around_one(40 * kSetDim, 2), kSetDim), metric};
}

std::vector<uint8_t> encode(const Quantizer& quantizer, const RecallSet& set) {
  std::vector<uint8_t> codes(set.base().rows * quantizer.code_bytes());
  quantizer.encode(set.base().view(), codes.data());
  return codes;
}

double mean_square_error(const RecallSet& set, const RabitqOptions& options) {
  RabitqQuantizer quantizer(kSetDim, set.metric(), options);
  quantizer.train(set.base().view());
  const std::vector<uint8_t> codes = encode(quantizer, set);
  std::vector<float> exact(kSetRows), estimates(kSetRows);
  double sum = 0;
  for (size_t q = 0; q < set.queries().rows; ++q) {
    set.exact_distances(q, exact.data());
    quantizer.prepare_query(set.query(q))->estimate(codes.data(), kSetRows, estimates.data());
    for (size_t i = 0; i < kSetRows; ++i) {
      const double error = estimates[i] - exact[i];
      sum += error * error;
    }
  }
  return sum / static_cast<double>(kSetRows * set.queries().rows);
}

TEST(RabitqQuantizer, CodesHaveTheSizeTheyShould) {
  EXPECT_EQ(RabitqQuantizer(128, Metric::kL2, {.bits = 1}).code_bytes(), 24u);
  EXPECT_EQ(RabitqQuantizer(100, Metric::kL2, {.bits = 2}).code_bytes(), 40u);
  EXPECT_EQ(RabitqQuantizer(384, Metric::kL2, {.bits = 4}).code_bytes(), 200u);
  EXPECT_EQ(RabitqQuantizer(384, Metric::kL2, {.bits = 4, .has_error_bound = true}).code_bytes(),
            204u);
}

// The error of one bit is that of section 3.2 of Gao, Long 2024: for unit vectors a variance of
// (pi / 2 - 1) / D, here times 4 |r|^2 |q - c|^2.
TEST(RabitqQuantizer, OneBitErrsAsTheTheorySays) {
  const RecallSet set = make_set(Metric::kL2);
  const double of_theory = 4 * (1.5708 - 1) / kSetDim * kSetDim * kSetDim;
  EXPECT_NEAR(mean_square_error(set, {.bits = 1}) / of_theory, 1, 0.1);
}

TEST(RabitqQuantizer, EachBitHalvesTheError) {
  const RecallSet set = make_set(Metric::kInnerProduct);
  double last = mean_square_error(set, {.bits = 1});
  for (size_t bits = 2; bits <= 6; ++bits) {
    const double error = mean_square_error(set, {.bits = bits});
    // From six bits on the rounding of the query is felt.
    EXPECT_LT(error, last / (bits < 6 ? 3.0 : 1.5)) << bits;
    last = error;
  }
}

TEST(RabitqQuantizer, TheBestScaleIsAtLeastAsGoodAsNearOnes) {
  const RecallSet set = make_set(Metric::kL2);
  for (const size_t bits : {2, 3, 4, 6}) {
    const double best =
        mean_square_error(set, {.bits = bits, .encoding = RabitqOptions::Encoding::kBestScale});
    EXPECT_LT(best, 1.02 * mean_square_error(set, {.bits = bits})) << bits;
  }
}

TEST(RabitqQuantizer, ErrorBoundsHoldForNearlyAll) {
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    const RecallSet set = make_set(metric);
    for (const size_t bits : {1, 2, 4}) {
      RabitqQuantizer quantizer(kSetDim, metric, {.bits = bits, .has_error_bound = true});
      quantizer.train(set.base().view());
      const std::vector<uint8_t> codes = encode(quantizer, set);
      std::vector<float> exact(kSetRows), estimates(kSetRows), bounds(kSetRows);
      size_t within = 0;
      for (size_t q = 0; q < set.queries().rows; ++q) {
        set.exact_distances(q, exact.data());
        const auto estimator = quantizer.prepare_bounded_query(set.query(q));
        estimator->estimate(codes.data(), kSetRows, estimates.data());
        estimator->error_bounds(codes.data(), kSetRows, bounds.data());
        for (size_t i = 0; i < kSetRows; ++i) {
          within += std::abs(estimates[i] - exact[i]) <= bounds[i] ? 1 : 0;
        }
      }
      const double share =
          static_cast<double>(within) / static_cast<double>(kSetRows * set.queries().rows);
      EXPECT_GT(share, 0.92) << metric_name(metric) << " " << bits;
      EXPECT_LT(share, 0.99) << metric_name(metric) << " " << bits;
    }
  }
}

TEST(RabitqQuantizer, TheFirstPlaneIsTheOneBitCode) {
  const RecallSet set = make_set(Metric::kL2);
  RabitqQuantizer one(kSetDim, Metric::kL2, {.bits = 1}), four(kSetDim, Metric::kL2, {.bits = 4});
  one.train(set.base().view());
  four.train(set.base().view());
  const std::vector<uint8_t> short_codes = encode(one, set), long_codes = encode(four, set);
  for (size_t i = 0; i < kSetRows; ++i) {
    ASSERT_TRUE(
        std::equal(short_codes.begin() + static_cast<ptrdiff_t>(i * one.code_bytes()),
                   short_codes.begin() + static_cast<ptrdiff_t>(i * one.code_bytes() + kSetDim / 8),
                   long_codes.begin() + static_cast<ptrdiff_t>(i * four.code_bytes())))
        << i;
  }
}

TEST(RabitqQuantizer, ARowAtTheCentreIsExact) {
  std::vector<float> values(3 * 64, 2.0f);
  for (size_t i = 0; i < 64; ++i) {
    values[i] = 1.0f;
    values[64 + i] = 3.0f;
  }
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    RabitqQuantizer quantizer(64, metric, {.bits = 3});
    const MatrixView rows = MatrixView::f32(values.data(), 3, 64);
    quantizer.train(rows);
    std::vector<uint8_t> code(quantizer.code_bytes());
    quantizer.encode(rows.slice(2, 1), code.data());
    float estimate = 0;
    quantizer.prepare_query({ScalarType::kF32, values.data(), 64})
        ->estimate(code.data(), 1, &estimate);
    EXPECT_NEAR(estimate, metric == Metric::kL2 ? 64.0f : -128.0f, 1e-3);
  }
}

}  // namespace
}  // namespace roxanne::quantize
