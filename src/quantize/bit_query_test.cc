#include "quantize/bit_query.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

TEST(BitQuery, ProductsAreThoseOfTheRoundedQuery) {
  Random random(1);
  for (const size_t dim : {64, 128, 384, 1536}) {
    for (size_t plane_count = 1; plane_count <= 8; ++plane_count) {
      std::vector<float> query(dim);
      for (float& value : query) value = random.gaussian();
      std::vector<uint8_t> planes(plane_count * dim / 8);
      for (uint8_t& byte : planes) byte = static_cast<uint8_t>(random.next());
      const BitQuery bits(query.data(), dim);
      double exact = 0, largest = 0, square = 0;
      for (size_t i = 0; i < dim; ++i) {
        unsigned value = 0;
        for (size_t p = 0; p < plane_count; ++p) {
          value = 2 * value + (planes[p * dim / 8 + i / 8] >> (i % 8) & 1u);
        }
        exact += static_cast<double>(value) * query[i];
        largest = std::max(largest, std::abs(static_cast<double>(query[i])));
        square += static_cast<double>(value) * value;
      }
      // Each coordinate is off by at most half of a step of 1/255 of the range.
      const double walk = largest / 255 / std::sqrt(3.0) * std::sqrt(square);
      ASSERT_NEAR(bits.dot(planes.data(), plane_count), exact, 5 * walk)
          << dim << " x " << plane_count;
    }
  }
}

TEST(BitQuery, EqualCoordinatesAreExact) {
  const std::vector<float> query(64, -1.5f);
  const BitQuery bits(query.data(), 64);
  const std::vector<uint8_t> all(8, 0xff), none(8, 0);
  EXPECT_EQ(bits.dot(all.data(), 1), -96.0f);
  EXPECT_EQ(bits.dot(none.data(), 1), 0.0f);
  EXPECT_EQ(bits.sum(), -96.0f);
}

}  // namespace
}  // namespace roxanne::quantize
