// The levels that RaBitQ gives the magnitudes of a vector's coordinates (Gao et al., SIGMOD 2025).
//
// Coordinate i of magnitude a_i gets level m_i = min(floor(scale * a_i), 2^level_bits - 1) and so
// stands for m_i + 1/2. The best scale is the one for which that vector of halves has the largest
// cosine with the magnitudes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace roxanne::quantize {

inline constexpr size_t kLevelBitsMax = 7;

// The best scale of all, by visiting each at which a level grows: O(D * 2^level_bits * log D).
// Magnitudes have length 1; level_bits is 1..kLevelBitsMax.
float best_scale(std::span<const float> magnitudes, size_t level_bits);

// The mean best scale of random directions: no rotated vector's best is far from it.
float typical_scale(size_t dim, size_t level_bits, uint64_t seed);

// The best of a few scales around the typical one: O(D).
float near_scale(std::span<const float> magnitudes, float typical, size_t level_bits);

void write_levels(std::span<const float> magnitudes, float scale, size_t level_bits,
                  uint8_t* levels);

}  // namespace roxanne::quantize
