#include "quantize/product_quantizer.h"

#include <gtest/gtest.h>

#include "quantize/recall_data.h"
#include "quantize/test_values.h"

namespace roxanne::quantize {
namespace {

// As many centroids as rows: each row is its own code, and nothing is lost but rounding.
TEST(ProductQuantizer, FewRowsAreExact) {
  constexpr size_t kDim = 30;
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    const RecallSet set(rows_of_floats(gaussian(16 * kDim, 1), kDim),
                        rows_of_floats(gaussian(5 * kDim, 2), kDim), metric);
    for (const size_t bits : {4, 8}) {
      // 7 parts of 30 dimensions differ in size; 4 bits take an even number.
      const size_t part_count = bits == 8 ? 7 : 8;
      ProductQuantizer quantizer(kDim, metric, {.part_count = part_count, .bits = bits});
      quantizer.train(set.base().view());
      ASSERT_EQ(quantizer.code_bytes(), bits == 8 ? 7u : 4u);
      std::vector<uint8_t> codes(16 * quantizer.code_bytes());
      quantizer.encode(set.base().view(), codes.data());
      std::vector<float> exact(16), estimates(16);
      for (size_t q = 0; q < 5; ++q) {
        set.exact_distances(q, exact.data());
        quantizer.prepare_query(set.query(q))->estimate(codes.data(), 16, estimates.data());
        const double tolerance = bits == 8 ? 1e-3 : 1.0;  // 4 bits: tables of bytes
        for (size_t i = 0; i < 16; ++i) ASSERT_NEAR(estimates[i], exact[i], tolerance);
      }
    }
  }
}

TEST(ProductQuantizer, NibblesOfBlocksAndFlatCodesAgreeExactly) {
  const std::vector<float> values = gaussian(kBlockCodes * 64, 3);
  const MatrixView rows = MatrixView::f32(values.data(), kBlockCodes, 64);
  ProductQuantizer quantizer(64, Metric::kL2, {.part_count = 32, .bits = 4});
  quantizer.train(rows);
  std::vector<uint8_t> codes(quantizer.block_bytes()), block(quantizer.block_bytes());
  quantizer.encode(rows, codes.data());
  quantizer.pack_block(codes.data(), kBlockCodes, block.data());
  const auto estimator = quantizer.prepare_query({ScalarType::kF32, values.data(), 64});
  std::vector<float> flat(kBlockCodes), of_block(kBlockCodes);
  estimator->estimate(codes.data(), kBlockCodes, flat.data());
  estimator->estimate_blocks(block.data(), 1, of_block.data());
  for (size_t i = 0; i < kBlockCodes; ++i) EXPECT_FLOAT_EQ(flat[i], of_block[i]);
}

TEST(ProductQuantizer, EqualRowsHaveEqualEstimates) {
  std::vector<float> values = gaussian(64 * 16, 4);
  std::copy_n(values.begin(), 16, values.begin() + 40 * 16);
  const MatrixView rows = MatrixView::f32(values.data(), 64, 16);
  ProductQuantizer quantizer(16, Metric::kL2, {.part_count = 4, .bits = 8});
  quantizer.train(rows);
  std::vector<uint8_t> codes(64 * 4);
  quantizer.encode(rows, codes.data());
  std::vector<float> estimates(64);
  quantizer.prepare_query({ScalarType::kF32, values.data() + 16, 16})
      ->estimate(codes.data(), 64, estimates.data());
  EXPECT_EQ(estimates[0], estimates[40]);
}

}  // namespace
}  // namespace roxanne::quantize
