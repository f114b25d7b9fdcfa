#include "quantize/rotation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/test_values.h"

namespace roxanne::quantize {
namespace {

constexpr size_t kDims[] = {1, 3, 63, 64, 65, 100, 128, 192, 200, 256, 384, 768, 960, 1536};

std::vector<float> rotate(const Rotation& rotation, const std::vector<float>& vector) {
  std::vector<float> rotated(rotation.padded_dim());
  rotation.apply(vector.data(), rotated.data());
  return rotated;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

TEST(Rotation, KeepsInnerProductsOfAnyDim) {
  for (const size_t dim : kDims) {
    const Rotation rotation(dim, dim);
    ASSERT_EQ(rotation.padded_dim() % 64, 0u);
    ASSERT_GE(rotation.padded_dim(), dim);
    ASSERT_LT(rotation.padded_dim(), dim + 64);
    const std::vector<float> a = gaussian(dim, 1), b = gaussian(dim, 2);
    const std::vector<float> to_a = rotate(rotation, a), to_b = rotate(rotation, b);
    EXPECT_NEAR(dot(to_a, to_a), dot(a, a), 1e-4 * dot(a, a)) << dim;
    EXPECT_NEAR(dot(to_a, to_b), dot(a, b), 1e-4 * dot(a, a)) << dim;
  }
}

TEST(Rotation, SpreadsASingleCoordinateOverAll) {
  for (const size_t dim : kDims) {
    if (dim < 64) continue;
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      const Rotation rotation(dim, seed);
      std::vector<float> one(dim);
      one[seed * 7 % dim] = 1;
      const std::vector<float> rotated = rotate(rotation, one);
      // Of a random direction's coordinates few are above 4 times their mean square root.
      const double bound = 6 / std::sqrt(static_cast<double>(rotation.padded_dim()));
      for (const float value : rotated) ASSERT_LT(std::abs(value), bound) << dim << " " << seed;
    }
  }
}

TEST(Rotation, SeedsDecide) {
  const std::vector<float> vector = gaussian(100, 3);
  EXPECT_EQ(rotate(Rotation(100, 5), vector), rotate(Rotation(100, 5), vector));
  EXPECT_NE(rotate(Rotation(100, 5), vector), rotate(Rotation(100, 6), vector));
}

// Over seeds the rotated vector has no preferred direction: each coordinate's mean is 0 and its
// mean square the same.
TEST(Rotation, SeedsAreUnbiased) {
  constexpr size_t kDim = 96, kSeeds = 4000;
  const std::vector<float> vector(kDim, 1.0f);
  std::vector<double> sums(128), squares(128);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const std::vector<float> rotated = rotate(Rotation(kDim, seed), vector);
    for (size_t i = 0; i < rotated.size(); ++i) {
      sums[i] += rotated[i];
      squares[i] += static_cast<double>(rotated[i]) * rotated[i];
    }
  }
  constexpr double kSquare = 96.0 / 128;
  for (size_t i = 0; i < sums.size(); ++i) {
    EXPECT_NEAR(sums[i] / kSeeds, 0, 5 * std::sqrt(kSquare / kSeeds)) << i;
    EXPECT_NEAR(squares[i] / kSeeds, kSquare, 0.15 * kSquare) << i;
  }
}

}  // namespace
}  // namespace roxanne::quantize
