// Codes of neighbours, in every instruction set against the definition.
#include <gtest/gtest.h>

#include <limits>

#include "kernels/test_data.h"

namespace roxanne::kernels {
namespace {

class NeighbourCodes : public Kernels {};

std::vector<float> gaussian(std::mt19937& random, size_t count) {
  std::normal_distribution<float> values;
  std::vector<float> result(count);
  for (float& value : result) value = values(random);
  return result;
}

TEST_P(NeighbourCodes, EncodingIsTheNearestStepOfEachCoordinate) {
  std::mt19937 random(3);
  for (const size_t dim : {16u, 48u, 128u, 400u}) {
    for (size_t bits = 1; bits <= kResidualBitsMax; ++bits) {
      const std::vector<float> centre = gaussian(random, dim);
      const std::vector<float> vector = gaussian(random, dim);
      std::vector<uint8_t> planes(bits * dim / 8);
      const float grid = 0.7f;
      ResidualSums sums;
      table().encode_residual(centre.data(), vector.data(), dim, bits, grid, planes.data(), &sums);
      double norm = 0, dot_residual = 0, dot_centre = 0;
      for (size_t i = 0; i < dim; ++i) {
        const double r = vector[i] - centre[i];
        norm += r * r;
      }
      const double width = grid * std::sqrt(norm / static_cast<double>(dim));
      const int half = 1 << (bits - 1);
      for (size_t i = 0; i < dim; ++i) {
        const double r = vector[i] - centre[i];
        int u = 0;
        for (size_t p = 0; p < bits; ++p) {
          u |= ((planes[p * dim / 8 + i / 8] >> (i % 8)) & 1) << p;
        }
        const double z = u - (2 * half - 1) / 2.0;
        dot_residual += z * r;
        dot_centre += z * centre[i];
        // The step that r falls into, or the outermost on its side.
        const double steps = std::abs(r) / width;
        const double m = std::abs(z) - 0.5;
        EXPECT_EQ(z > 0, r >= 0);
        EXPECT_TRUE(m == half - 1 ? steps > m - 1e-3 : steps > m - 1e-3 && steps < m + 1 + 1e-3)
            << "dim " << dim << " bits " << bits << " i " << i;
      }
      EXPECT_NEAR(sums.squared_norm, norm, 1e-4 * norm);
      EXPECT_NEAR(sums.dot_residual, dot_residual, 1e-4 * norm);
      EXPECT_NEAR(sums.dot_centre, dot_centre, 1e-3 * norm);
    }
  }
}

TEST_P(NeighbourCodes, NoResidualIsNoLength) {
  const std::vector<float> vector(32, 1.5f);
  std::vector<uint8_t> planes(2 * 4);
  ResidualSums sums;
  table().encode_residual(vector.data(), vector.data(), 32, 2, 1, planes.data(), &sums);
  EXPECT_EQ(sums.squared_norm, 0);
  EXPECT_EQ(sums.dot_residual, 0);
  EXPECT_TRUE(std::isfinite(sums.dot_centre));
}

TEST_P(NeighbourCodes, SelectedAreTheEstimatesBelowTheBound) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int> bytes(0, 255);
  for (const size_t tables : {4u, 32u, 96u, 256u}) {
    for (size_t planes = 1; planes <= kResidualBitsMax; ++planes) {
      std::vector<uint8_t> codes(planes * tables * 16), lut(tables * 16);
      for (uint8_t& byte : codes) byte = static_cast<uint8_t>(bytes(random));
      for (uint8_t& byte : lut) byte = static_cast<uint8_t>(bytes(random));
      std::vector<float> adds = gaussian(random, kNeighbourBlock);
      const std::vector<float> scales = gaussian(random, kNeighbourBlock);
      adds[7] = std::numeric_limits<float>::infinity();  // a missing neighbour
      const EstimateQuery query{lut.data(), tables, planes, 0.001f, -0.5f};
      std::vector<float> all(kNeighbourBlock);
      for (size_t i = 0; i < kNeighbourBlock; ++i) {
        double total = 0;
        for (size_t p = 0; p < planes; ++p) {
          for (size_t t = 0; t < tables; ++t) {
            const uint8_t byte = codes[p * tables * 16 + t / 2 * kNeighbourBlock + i];
            total += (1 << p) * lut[16 * t + (t % 2 == 0 ? byte % 16 : byte / 16)];
          }
        }
        all[i] =
            static_cast<float>(2.5 + adds[i] + scales[i] * (total * query.step + query.offset));
      }
      for (const float bound : {-1e30f, 0.0f, 2.0f, std::numeric_limits<float>::infinity()}) {
        float estimates[kNeighbourBlock];
        uint32_t places[kNeighbourBlock];
        const size_t count = table().select_estimates({codes.data(), adds.data(), scales.data()},
                                                      query, 2.5f, bound, estimates, places);
        size_t expected = 0;
        for (const float estimate : all) expected += estimate < bound ? 1 : 0;
        ASSERT_EQ(count, expected);
        for (size_t i = 0; i < count; ++i) {
          EXPECT_TRUE(i == 0 || places[i - 1] < places[i]);
          EXPECT_LT(estimates[i], bound);
          EXPECT_NEAR(estimates[i], all[places[i]], 1e-4 * (1 + std::abs(all[places[i]])));
        }
      }
    }
  }
}

TEST_P(NeighbourCodes, LaneMinimaAreThoseOfEverySixteenthRow) {
  std::mt19937 random(6);
  std::uniform_int_distribution<int32_t> values(-100000, 100000);
  for (const size_t rows : {16u, 64u, 192u}) {
    AlignedArray<int32_t> dots(rows), norms(rows), out(16);
    for (size_t r = 0; r < rows; ++r) {
      dots[r] = values(random);
      norms[r] = r == 5 ? std::numeric_limits<int32_t>::max() - 200000 : values(random);
    }
    table().lane_minima_l2_int(dots.data(), norms.data(), rows, out.data());
    for (size_t lane = 0; lane < 16; ++lane) {
      int32_t least = std::numeric_limits<int32_t>::max();
      for (size_t r = lane; r < rows; r += 16) least = std::min(least, norms[r] - 2 * dots[r]);
      EXPECT_EQ(out[lane], least) << lane;
    }
  }
}

TEST_P(NeighbourCodes, QuantisedBytesAreThoseOfScalar) {
  std::mt19937 random(7);
  for (const size_t count : {1u, 7u, 16u, 33u, 384u}) {
    const std::vector<float> values = gaussian(random, count);
    const std::vector<float> centre = gaussian(random, count);
    for (const float scale : {0.0f, 1.0f, 40.0f, 1e6f}) {
      std::vector<int8_t> bytes(count + 1, 99), expected(count + 1, 99);
      table().quantize_i8(values.data(), centre.data(), scale, count, bytes.data());
      available_kernels().front()->quantize_i8(values.data(), centre.data(), scale, count,
                                               expected.data());
      EXPECT_EQ(bytes, expected) << count << " scale " << scale;
      EXPECT_EQ(expected.back(), 99);
    }
  }
  const float halves[] = {0.5f, 1.5f, -2.5f, 126.5f};
  const float zeros[4] = {};
  int8_t out[4];
  table().quantize_i8(halves, zeros, 1, 4, out);
  EXPECT_EQ(std::vector<int>(out, out + 4), (std::vector<int>{0, 2, -2, 126}));
}

INSTANTIATE_TEST_SUITE_P(Isa, NeighbourCodes, testing::ValuesIn(known_isas()), isa_name);

}  // namespace
}  // namespace roxanne::kernels
