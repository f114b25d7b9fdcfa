#include "quantize/rotation.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/status_macros.h"
#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

constexpr size_t kRounds = 4;

// The plain Hadamard transform, which makes vectors sqrt(count) times longer. `count` is a power of
// two.
void hadamard(float* x, size_t count) {
  for (size_t half = 1; half < count; half *= 2) {
    for (size_t first = 0; first < count; first += 2 * half) {
      float* low = x + first;
      float* high = x + first + half;
      for (size_t i = 0; i < half; ++i) {
        const float a = low[i];
        const float b = high[i];
        low[i] = a + b;
        high[i] = a - b;
      }
    }
  }
}

}  // namespace

Rotation::Rotation(size_t dim, uint64_t seed)
    : dim_(dim),
      padded_dim_(padded(dim)),
      transform_dim_(std::bit_floor(padded_dim_)),
      signs_(kRounds * padded_dim_) {
  ROX_CHECK(dim > 0);
  Random random(seed);
  for (float& sign : signs_) sign = (random.next() >> 63) != 0 ? 1.0f : -1.0f;
}

void Rotation::apply(const float* in, float* out) const {
  std::copy(in, in + dim_, out);
  std::fill(out + dim_, out + padded_dim_, 0.0f);
  const bool is_whole = transform_dim_ == padded_dim_;
  const float scale = 1 / std::sqrt(static_cast<float>(transform_dim_));
  for (size_t round = 0; round < kRounds; ++round) {
    const float* signs = signs_.data() + round * padded_dim_;
    for (size_t i = 0; i < padded_dim_; ++i) out[i] *= signs[i];
    // Rounds take turns with the beginning and the end, so that all coordinates are mixed.
    float* part = round % 2 == 0 ? out : out + (padded_dim_ - transform_dim_);
    hadamard(part, transform_dim_);
    for (size_t i = 0; i < transform_dim_; ++i) part[i] *= scale;
    if (is_whole) continue;
    const size_t half = padded_dim_ / 2;
    constexpr float kShrink =
        0.70710678f;  // the butterfly below makes vectors sqrt(2) times longer
    for (size_t i = 0; i < half; ++i) {
      const float a = out[i];
      const float b = out[i + half];
      out[i] = (a + b) * kShrink;
      out[i + half] = (a - b) * kShrink;
    }
  }
}

}  // namespace roxanne::quantize
