// Random numbers that are the same with every standard library.
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>

#include "base/split_mix.h"

namespace roxanne::quantize {

class Random : public base::SplitMix64 {
 public:
  using SplitMix64::SplitMix64;
  // In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // In [0, bound); bound is far below 2^53.
  size_t below(size_t bound) { return static_cast<size_t>(uniform() * static_cast<double>(bound)); }
  // Of mean 0 and variance 1 (Box and Muller, one of the two).
  float gaussian() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return static_cast<float>(radius * std::cos(2 * std::numbers::pi * uniform()));
  }
};

}  // namespace roxanne::quantize
