// Values for tests of quantizers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quantize/random.h"

namespace roxanne::quantize {

inline std::vector<float> gaussian(Random& random, size_t count, float scale) {
  std::vector<float> values(count);
  for (float& value : values) value = random.gaussian() * scale;
  return values;
}

inline std::vector<float> gaussian(size_t count, uint64_t seed) {
  Random random(seed);
  return gaussian(random, count, 1);
}

}  // namespace roxanne::quantize
