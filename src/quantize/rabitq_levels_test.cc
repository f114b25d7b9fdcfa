#include "quantize/rabitq_levels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

std::vector<float> random_magnitudes(size_t dim, uint64_t seed) {
  Random random(seed);
  std::vector<float> magnitudes(dim);
  double norm = 0;
  for (float& value : magnitudes) {
    value = std::abs(random.gaussian());
    norm += static_cast<double>(value) * value;
  }
  for (float& value : magnitudes) value /= static_cast<float>(std::sqrt(norm));
  return magnitudes;
}

double cosine(const std::vector<float>& magnitudes, float scale, size_t level_bits) {
  std::vector<uint8_t> levels(magnitudes.size());
  write_levels(magnitudes, scale, level_bits, levels.data());
  double dot = 0, norm = 0;
  for (size_t i = 0; i < levels.size(); ++i) {
    const double half = levels[i] + 0.5;
    dot += half * magnitudes[i];
    norm += half * half;
  }
  return dot / std::sqrt(norm);
}

TEST(RabitqLevels, NoScaleIsBetterThanTheBest) {
  for (size_t level_bits = 1; level_bits <= kLevelBitsMax; ++level_bits) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const std::vector<float> magnitudes = random_magnitudes(128, seed * 10 + level_bits);
      const float best = best_scale(magnitudes, level_bits);
      const double best_cosine = cosine(magnitudes, best, level_bits);
      for (int step = 1; step < 1000; ++step) {
        const float scale = best * static_cast<float>(step) / 300;
        ASSERT_LE(cosine(magnitudes, scale, level_bits), best_cosine + 1e-6)
            << level_bits << " bits, seed " << seed << ", " << scale << " against " << best;
      }
    }
  }
}

TEST(RabitqLevels, NearScalesAreNearlyAsGood) {
  for (size_t level_bits = 1; level_bits <= kLevelBitsMax; ++level_bits) {
    const float typical = typical_scale(256, level_bits, 1);
    const std::vector<float> magnitudes = random_magnitudes(256, 77 + level_bits);
    const double best = cosine(magnitudes, best_scale(magnitudes, level_bits), level_bits);
    const double found =
        cosine(magnitudes, near_scale(magnitudes, typical, level_bits), level_bits);
    // In squared sine, which is what estimates are off by.
    EXPECT_LT(1 - found * found, 1.1 * (1 - best * best)) << level_bits;
  }
}

TEST(RabitqLevels, LevelsStayWithinTheirBits) {
  const std::vector<float> magnitudes = {0.0f, 1e-9f, 0.5f, 1.0f};
  std::vector<uint8_t> levels(4);
  write_levels(magnitudes, 1000.0f, 3, levels.data());
  EXPECT_EQ(levels, (std::vector<uint8_t>{0, 0, 7, 7}));
}

TEST(RabitqLevels, OneLongCoordinateIsNoTrouble) {
  std::vector<float> magnitudes(64);
  magnitudes[3] = 1;
  const float best = best_scale(magnitudes, 4);
  std::vector<uint8_t> levels(64);
  write_levels(magnitudes, best, 4, levels.data());
  EXPECT_EQ(levels[3], 15);
}

}  // namespace
}  // namespace roxanne::quantize
