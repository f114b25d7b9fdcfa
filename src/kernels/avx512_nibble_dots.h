// dot_nibbles for AVX-512; included by avx512.cc alone.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/nibble_dots.h"
#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

void dot_nibbles(const NibbleQuery& query, const uint8_t* codes, size_t stride, size_t count,
                 int32_t* out) {
  const __m512i levels =
      _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
  const __m512i half = _mm512_set1_epi8(0x0f);
  const int8_t* high_values = query.values + query.padded_bytes();
  const size_t whole = query.byte_count / 64 * 64;
  const __mmask64 rest = (uint64_t{1} << (query.byte_count - whole)) - 1;
  for (size_t i = 0; i < count; ++i, codes += stride) {
    __m512i low_sums = _mm512_setzero_si512();
    __m512i high_sums = _mm512_setzero_si512();
    const auto add = [&](__m512i names, size_t b) {
      const __m512i low = _mm512_and_si512(names, half);
      const __m512i high = _mm512_and_si512(_mm512_srli_epi16(names, 4), half);
      low_sums = _mm512_dpbusd_epi32(low_sums, _mm512_shuffle_epi8(levels, low),
                                     _mm512_loadu_si512(query.values + b));
      high_sums = _mm512_dpbusd_epi32(high_sums, _mm512_shuffle_epi8(levels, high),
                                      _mm512_loadu_si512(high_values + b));
    };
    for (size_t b = 0; b < whole; b += 64) add(_mm512_loadu_si512(codes + b), b);
    if (rest != 0) add(_mm512_maskz_loadu_epi8(rest, codes + whole), whole);
    out[i] = _mm512_reduce_add_epi32(_mm512_add_epi32(low_sums, high_sums));
  }
}

}  // namespace
}  // namespace roxanne::kernels
