// Inner products of a query with vectors of which each coordinate is one of 16 levels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace roxanne::kernels {

inline constexpr size_t kNibbleLevels = 16;
inline constexpr uint8_t kNibbleLevelMost = 127;  // pairs of products then fit 16 bits
// Queries are padded to a multiple of this, so that whole registers can be read.
inline constexpr size_t kNibbleQueryStep = 64;

struct NibbleQuery {
  // For the low halves of a code's bytes, one each and zeros up to padded_bytes(); then for the
  // high ones. -127 to 127.
  const int8_t* values;
  const uint8_t* levels;  // kNibbleLevels, at most kNibbleLevelMost
  size_t byte_count;      // of a code; at most 8192

  size_t padded_bytes() const {
    return (byte_count + kNibbleQueryStep - 1) / kNibbleQueryStep * kNibbleQueryStep;
  }
};

// out[i] = sum over bytes b of low[b] * levels[code[b] & 15] + high[b] * levels[code[b] >> 4], code
// i at codes + i * stride. Exact: the same numbers in every instruction set. Any alignment.
using DotNibblesFn = void (*)(const NibbleQuery& query, const uint8_t* codes, size_t stride,
                              size_t count, int32_t* out);

}  // namespace roxanne::kernels
