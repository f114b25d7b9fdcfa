// What every quantizer promises.
#include "quantize/quantizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "quantize/product_quantizer.h"
#include "quantize/rabitq_quantizer.h"
#include "quantize/random.h"
#include "quantize/recall_data.h"
#include "quantize/scalar_quantizer.h"

namespace roxanne::quantize {
namespace {

struct Kind {
  std::string name;
  std::function<std::unique_ptr<Quantizer>(size_t dim, Metric metric, uint64_t seed)> make;
};

Kind product(size_t part_count, size_t bits) {
  return {"Product" + std::to_string(part_count) + "x" + std::to_string(bits),
          [=](size_t dim, Metric metric, uint64_t seed) {
            return std::make_unique<ProductQuantizer>(
                dim, metric, ProductOptions{.part_count = part_count, .bits = bits, .seed = seed});
          }};
}

Kind rabitq(size_t bits, RabitqOptions::Encoding encoding, const char* suffix) {
  return {"Rabitq" + std::to_string(bits) + suffix, [=](size_t dim, Metric metric, uint64_t seed) {
            return std::make_unique<RabitqQuantizer>(
                dim, metric, RabitqOptions{.bits = bits, .encoding = encoding, .seed = seed});
          }};
}

Kind scalar(size_t bits) {
  return {"Scalar" + std::to_string(bits), [=](size_t dim, Metric metric, uint64_t) {
            return std::make_unique<ScalarQuantizer>(dim, metric, ScalarOptions{.bits = bits});
          }};
}

std::vector<Kind> kinds() {
  using Encoding = RabitqOptions::Encoding;
  return {product(12, 8),
          product(12, 4),
          rabitq(1, Encoding::kNearScale, ""),
          rabitq(2, Encoding::kNearScale, ""),
          rabitq(4, Encoding::kBestScale, "Best"),
          rabitq(8, Encoding::kNearScale, ""),
          scalar(7),
          scalar(8)};
}

constexpr Metric kMetrics[] = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine};

// Rows around a mean that is not 0, with coordinates that differ in spread.
std::vector<float> floats(size_t count, size_t dim, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count * dim);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto d = static_cast<float>(i % dim);
    values[i] = 0.5f + random.gaussian() * (1 + d / static_cast<float>(dim));
  }
  return values;
}

class Quantizers : public testing::TestWithParam<Kind> {
 protected:
  // Trained on its rows, with their codes.
  struct Trained {
    std::unique_ptr<Quantizer> quantizer;
    std::vector<uint8_t> codes;
  };
  static Trained train(Metric metric, MatrixView rows, uint64_t seed = 1) {
    Trained trained = {GetParam().make(rows.dim(), metric, seed), {}};
    trained.quantizer->train(rows);
    trained.codes.resize(rows.rows() * trained.quantizer->code_bytes());
    trained.quantizer->encode(rows, trained.codes.data());
    return trained;
  }
  static std::vector<float> estimate(const Trained& trained, VectorView query) {
    std::vector<float> out(trained.codes.size() / trained.quantizer->code_bytes());
    trained.quantizer->prepare_query(query)->estimate(trained.codes.data(), out.size(), out.data());
    return out;
  }
};

TEST_P(Quantizers, SameSeedSameCodes) {
  const std::vector<float> values = floats(700, 50, 1);
  const MatrixView rows = MatrixView::f32(values.data(), 700, 50);
  for (const Metric metric : kMetrics) {
    EXPECT_EQ(train(metric, rows, 3).codes, train(metric, rows, 3).codes);
  }
}

TEST_P(Quantizers, CodesDoNotDependOnTheRowsBesideThem) {
  const std::vector<float> values = floats(1100, 50, 2);
  const MatrixView rows = MatrixView::f32(values.data(), 1100, 50);
  const Trained trained = train(Metric::kL2, rows);
  const size_t code_bytes = trained.quantizer->code_bytes();
  for (const size_t i : {0, 1, 63, 64, 65, 511, 512, 1099}) {
    std::vector<uint8_t> code(code_bytes, 0xee);
    trained.quantizer->encode(rows.slice(i, 1), code.data());
    const auto* want = trained.codes.data() + i * code_bytes;
    ASSERT_EQ(code, std::vector<uint8_t>(want, want + code_bytes)) << i;
  }
}

TEST_P(Quantizers, SlotsAndBlocksGiveTheEstimatesOfFlatCodes) {
  constexpr size_t kRows = 75;
  const std::vector<float> values = floats(kRows + 1, 50, 3);
  const MatrixView rows = MatrixView::f32(values.data(), kRows, 50);
  const VectorView query(ScalarType::kF32, values.data() + kRows * 50, 50);
  for (const Metric metric : kMetrics) {
    const Trained trained = train(metric, rows);
    const Quantizer& quantizer = *trained.quantizer;
    const std::vector<float> flat = estimate(trained, query);
    const auto estimator = quantizer.prepare_query(query);

    std::vector<uint32_t> slots;
    for (uint32_t i = 0; i < 200; ++i) slots.push_back(i * 31 % kRows);
    std::vector<float> at(slots.size());
    estimator->estimate_at(trained.codes.data(), slots, at.data());
    for (size_t i = 0; i < slots.size(); ++i) ASSERT_EQ(at[i], flat[slots[i]]);

    constexpr size_t kBlocks = 3;
    std::vector<uint8_t> blocks(kBlocks * quantizer.block_bytes(), 0xee);
    for (size_t b = 0; b < kBlocks; ++b) {
      quantizer.pack_block(trained.codes.data() + b * kBlockCodes * quantizer.code_bytes(),
                           std::min(kBlockCodes, kRows - b * kBlockCodes),
                           blocks.data() + b * quantizer.block_bytes());
    }
    std::vector<float> of_blocks(kBlocks * kBlockCodes);
    estimator->estimate_blocks(blocks.data(), kBlocks, of_blocks.data());
    // Queries are rounded to bytes in another way for blocks: a percent of the spread of a row.
    const float tolerance = metric == Metric::kCosine ? 0.01f : 1.5f;
    for (size_t i = 0; i < of_blocks.size(); ++i) {
      if (i < kRows) {
        ASSERT_NEAR(of_blocks[i], flat[i], tolerance) << i;
      }
      ASSERT_TRUE(std::isfinite(of_blocks[i])) << i;
    }
  }
}

TEST_P(Quantizers, EachTypeGivesTheCodesOfItsValues) {
  Random random(4);
  std::vector<uint8_t> u8(200 * 40);
  std::vector<int8_t> i8(u8.size());
  std::vector<uint16_t> f16(u8.size());
  std::vector<float> of_u8(u8.size()), of_i8(u8.size());
  for (size_t i = 0; i < u8.size(); ++i) {
    of_u8[i] = static_cast<float>(u8[i] = static_cast<uint8_t>(random.next()));
    of_i8[i] = static_cast<float>(i8[i] = static_cast<int8_t>(random.next()));
    kernels::kernels().f32_to_f16(&of_u8[i], 1, &f16[i]);
  }
  // The extremes, so that scalar codes of floats and of integers have the same range.
  of_u8[0] = u8[0] = 0;
  of_u8[1] = u8[1] = 255;
  of_i8[0] = i8[0] = -128;
  of_i8[1] = i8[1] = 127;
  kernels::kernels().f32_to_f16(of_u8.data(), 2, f16.data());
  for (const Metric metric : kMetrics) {
    const auto codes = [&](MatrixView rows) { return train(metric, rows).codes; };
    EXPECT_EQ(codes(MatrixView::u8(u8.data(), 200, 40)),
              codes(MatrixView::f32(of_u8.data(), 200, 40)));
    EXPECT_EQ(codes(MatrixView::i8(i8.data(), 200, 40)),
              codes(MatrixView::f32(of_i8.data(), 200, 40)));
    EXPECT_EQ(codes(MatrixView::f16(f16.data(), 200, 40)),
              codes(MatrixView::f32(of_u8.data(), 200, 40)));
  }
}

TEST_P(Quantizers, DegenerateRowsHaveFiniteEstimates) {
  std::vector<float> equal(20 * 70, 1.25f), one = floats(1, 70, 5), far = floats(20, 70, 6);
  far[3 * 70] = 1e6f;
  for (const Metric metric : kMetrics) {
    for (const auto& values : {equal, one, far}) {
      const MatrixView rows = MatrixView::f32(values.data(), values.size() / 70, 70);
      const Trained trained = train(metric, rows);
      for (const auto& query : {equal, one, far}) {
        for (const float value : estimate(trained, {ScalarType::kF32, query.data(), 70})) {
          ASSERT_TRUE(std::isfinite(value));
        }
      }
    }
  }
  const std::vector<float> zeros(20 * 70);
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    const Trained trained = train(metric, MatrixView::f32(zeros.data(), 20, 70));
    for (const float value : estimate(trained, {ScalarType::kF32, zeros.data(), 70})) {
      ASSERT_NEAR(value, 0, 1e-6);
    }
  }
}

// The mean error over many rows, queries and seeds is within a few standard errors of 0. Rows of
// one query share its rounding and rows of one seed its rotation, so the mean of each is one
// sample.
TEST_P(Quantizers, EstimatesAreUnbiased) {
  constexpr size_t kRows = 600, kQueries = 30, kSeeds = 8, kDim = 60;
  for (const Metric metric : kMetrics) {
    double sum = 0, square = 0, spread = 0;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      const RecallSet set(rows_of_floats(floats(kRows, kDim, seed), kDim),
                          rows_of_floats(floats(kQueries, kDim, seed + 100), kDim), metric);
      const Trained trained = train(metric, set.base().view(), seed);
      std::vector<float> exact(kRows);
      for (size_t q = 0; q < kQueries; ++q) {
        set.exact_distances(q, exact.data());
        const std::vector<float> estimates = estimate(trained, set.query(q));
        double mean = 0;
        for (size_t i = 0; i < kRows; ++i) mean += estimates[i] - exact[i];
        mean /= kRows;
        sum += mean;
        square += mean * mean;
        spread += *std::max_element(exact.begin(), exact.end()) -
                  *std::min_element(exact.begin(), exact.end());
      }
    }
    constexpr double kCount = kQueries * kSeeds;
    const double error = std::sqrt(square / kCount / kCount);
    // The range of distances is several of their standard deviations.
    EXPECT_LT(std::abs(sum / kCount), 4 * error + 1e-3 * spread / kCount)
        << metric_name(metric) << ": mean " << sum / kCount << ", standard error " << error;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Quantizers, testing::ValuesIn(kinds()),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace roxanne::quantize
