#include "quantize/rabitq_levels.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <vector>

#include "base/status_macros.h"
#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

// So that scale * a_i at the very scale at which level i grows is not rounded below it.
constexpr float kRoundUp = 1e-5f;

// Where the search begins, as a share of where it ends: no best scale was seen below these, which
// are three quarters of where the RaBitQ library begins.
constexpr double kFirstScale[kLevelBitsMax + 1] = {0, 0.11, 0.15, 0.39, 0.44, 0.53, 0.56, 0.58};

struct Growth {
  double scale;  // at which the level of a coordinate grows next
  size_t coordinate;
  bool operator>(const Growth& other) const { return scale > other.scale; }
};

size_t level_max(size_t level_bits) { return (size_t{1} << level_bits) - 1; }

// Of the halves with the magnitudes. Lanes are kept apart so that compilers use vector registers.
double cosine_at(std::span<const float> magnitudes, float scale, float top) {
  constexpr size_t kLanes = 8;
  float dots[kLanes] = {}, norms[kLanes] = {};
  const auto take = [&](size_t i, size_t lane) {
    const float level = std::min(scale * magnitudes[i] + kRoundUp, top);
    const float half = static_cast<float>(static_cast<int>(level)) + 0.5f;
    dots[lane] += half * magnitudes[i];
    norms[lane] += half * half;
  };
  size_t i = 0;
  for (; i + kLanes <= magnitudes.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) take(i + lane, lane);
  }
  for (; i < magnitudes.size(); ++i) take(i, 0);
  double dot = 0, norm = 0;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    dot += dots[lane];
    norm += norms[lane];
  }
  return dot / std::sqrt(norm);
}

}  // namespace

float best_scale(std::span<const float> magnitudes, size_t level_bits) {
  ROX_ASSERT(level_bits >= 1);
  ROX_ASSERT(level_bits <= kLevelBitsMax);
  const size_t top = level_max(level_bits);
  const float largest = *std::max_element(magnitudes.begin(), magnitudes.end());
  const double last = static_cast<double>(top + 10) / largest;
  const double first = last * kFirstScale[level_bits];
  std::vector<size_t> levels(magnitudes.size());
  std::priority_queue<Growth, std::vector<Growth>, std::greater<>> growths;
  const auto push_next = [&](size_t i) {
    if (levels[i] == top || magnitudes[i] <= 0) return;
    const double scale = static_cast<double>(levels[i] + 1) / magnitudes[i];
    if (scale < last) growths.push({scale, i});
  };
  double dot = 0, norm = 0;  // of the halves: with the magnitudes, and squared
  for (size_t i = 0; i < magnitudes.size(); ++i) {
    levels[i] = std::min(static_cast<size_t>(first * magnitudes[i] + kRoundUp), top);
    const double half = static_cast<double>(levels[i]) + 0.5;
    dot += half * magnitudes[i];
    norm += half * half;
    push_next(i);
  }
  double best = first, best_cosine = dot / std::sqrt(norm);
  while (!growths.empty()) {
    const Growth growth = growths.top();
    growths.pop();
    dot += magnitudes[growth.coordinate];
    norm += 2 * static_cast<double>(++levels[growth.coordinate]);
    const double cosine = dot / std::sqrt(norm);
    if (cosine > best_cosine) {
      best_cosine = cosine;
      best = growth.scale;
    }
    push_next(growth.coordinate);
  }
  return static_cast<float>(best);
}

float typical_scale(size_t dim, size_t level_bits, uint64_t seed) {
  constexpr size_t kDirections = 32;
  Random random(seed);
  std::vector<float> magnitudes(dim);
  double sum = 0;
  for (size_t direction = 0; direction < kDirections; ++direction) {
    double norm = 0;
    for (float& magnitude : magnitudes) {
      magnitude = std::abs(random.gaussian());
      norm += static_cast<double>(magnitude) * magnitude;
    }
    for (float& magnitude : magnitudes) magnitude /= static_cast<float>(std::sqrt(norm));
    sum += best_scale(magnitudes, level_bits);
  }
  return static_cast<float>(sum / kDirections);
}

float near_scale(std::span<const float> magnitudes, float typical, size_t level_bits) {
  // Coordinates of a longer tail than most want a smaller scale, so steps go further down than up.
  constexpr int kFirstStep = -6, kLastStep = 4;
  constexpr float kStep = 0.05f;
  const auto top = static_cast<float>(level_max(level_bits));
  float best = typical;
  double best_cosine = 0;
  for (int step = kFirstStep; step <= kLastStep; ++step) {
    const float scale = typical * (1 + kStep * static_cast<float>(step));
    const double cosine = cosine_at(magnitudes, scale, top);
    if (cosine > best_cosine) {
      best_cosine = cosine;
      best = scale;
    }
  }
  return best;
}

void write_levels(std::span<const float> magnitudes, float scale, size_t level_bits,
                  uint8_t* levels) {
  const auto top = static_cast<float>(level_max(level_bits));
  for (size_t i = 0; i < magnitudes.size(); ++i) {
    levels[i] = static_cast<uint8_t>(std::min(scale * magnitudes[i] + kRoundUp, top));
  }
}

}  // namespace roxanne::quantize
