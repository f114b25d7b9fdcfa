#include "quantize/choose.h"

#include <gtest/gtest.h>

#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

QuantizerSpec choose(size_t dim, size_t code_bytes_max) {
  return choose_quantizer({dim, ScalarType::kF32, Metric::kL2, code_bytes_max});
}

void expect_spec(const QuantizerSpec& spec, QuantizerKind kind, size_t bits, size_t part_count) {
  EXPECT_EQ(spec.kind, kind);
  EXPECT_EQ(spec.bits, bits);
  EXPECT_EQ(spec.part_count, part_count);
}

TEST(ChooseQuantizer, FollowsTheMeasuredRule) {
  expect_spec(choose(128, 16), QuantizerKind::kProduct, 8, 16);
  expect_spec(choose(128, 40), QuantizerKind::kProduct, 8, 40);
  expect_spec(choose(384, 64), QuantizerKind::kProduct, 8, 64);
  expect_spec(choose(384, 104), QuantizerKind::kRabitq, 2, 0);
  expect_spec(choose(384, 200), QuantizerKind::kRabitq, 4, 0);
  expect_spec(choose(128, 120), QuantizerKind::kRabitq, 7, 0);
  expect_spec(choose(128, 128), QuantizerKind::kScalar, 8, 0);
  expect_spec(choose(960, 960), QuantizerKind::kScalar, 8, 0);
  expect_spec(choose(1, 0), QuantizerKind::kProduct, 8, 1);
}

TEST(ChooseQuantizer, TakesNoMoreThanTheBudget) {
  for (const size_t dim : {1, 2, 20, 64, 100, 128, 384, 768, 960, 1536, 16384}) {
    for (size_t bytes = 1; bytes <= 20'000; bytes += 1 + bytes / 7) {
      const QuantizerSpec spec = choose(dim, bytes);
      ASSERT_LE(code_bytes(spec, dim), bytes) << dim << " dimensions";
      ASSERT_GE(code_bytes(spec, dim), 1u);
      if (spec.kind == QuantizerKind::kProduct) {
        ASSERT_LE(spec.part_count, dim);
      }
    }
  }
}

TEST(MakeQuantizer, MakesWhatTheSpecSays) {
  for (const QuantizerSpec& spec :
       {QuantizerSpec{QuantizerKind::kProduct, 4, 10}, QuantizerSpec{QuantizerKind::kProduct, 8, 7},
        QuantizerSpec{QuantizerKind::kRabitq, 3, 0}, QuantizerSpec{QuantizerKind::kScalar, 7, 0}}) {
    const auto quantizer = make_quantizer(spec, 70, Metric::kCosine, 1);
    EXPECT_EQ(quantizer->dim(), 70u);
    EXPECT_EQ(quantizer->code_bytes(), code_bytes(spec, 70));
    EXPECT_EQ(quantizer->block_bytes(), kBlockCodes * code_bytes(spec, 70));
  }
}

}  // namespace
}  // namespace roxanne::quantize
