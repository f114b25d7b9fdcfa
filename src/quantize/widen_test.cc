#include "quantize/widen.h"

#include <gtest/gtest.h>

#include <vector>

namespace roxanne::quantize {
namespace {

TEST(WidenRows, CosineMakesRowsOfLengthOne) {
  const std::vector<float> rows = {3, 4, 0, 1e-20f, 1e15f, 0};
  std::vector<float> out(6);
  widen_rows(MatrixView::f32(rows.data(), 3, 2), Metric::kCosine, out.data());
  EXPECT_FLOAT_EQ(out[0], 0.6f);
  EXPECT_FLOAT_EQ(out[1], 0.8f);
  EXPECT_FLOAT_EQ(out[3], 1.0f);
  EXPECT_FLOAT_EQ(out[4], 1.0f);
}

}  // namespace
}  // namespace roxanne::quantize
