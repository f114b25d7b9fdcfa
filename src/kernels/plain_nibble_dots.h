// dot_nibbles without vector instructions of its own: for scalar.cc and neon.cc, which include it
// in their anonymous namespace's file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/nibble_dots.h"

namespace roxanne::kernels {
namespace {

void dot_nibbles(const NibbleQuery& query, const uint8_t* codes, size_t stride, size_t count,
                 int32_t* out) {
  const int8_t* high = query.values + query.padded_bytes();
  for (size_t i = 0; i < count; ++i, codes += stride) {
    int32_t sum = 0;
    for (size_t b = 0; b < query.byte_count; ++b) {
      sum += query.values[b] * query.levels[codes[b] & 15];
      sum += high[b] * query.levels[codes[b] >> 4];
    }
    out[i] = sum;
  }
}

}  // namespace
}  // namespace roxanne::kernels
