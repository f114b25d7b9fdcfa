// dot_nibbles for AVX-512; included by avx512.cc alone.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/nibble_dots.h"
#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

// Sums of kCodes codes, in lanes: one load of the query serves all of them.
template <size_t kCodes>
ROX_INLINE void add_nibble_products(const NibbleQuery& query, const uint8_t* codes, size_t stride,
                                    __m512i (&sums)[kCodes]) {
  const __m512i levels =
      _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
  const __m512i half = _mm512_set1_epi8(0x0f);
  const int8_t* high_values = query.values + query.padded_bytes();
  ROX_UNROLL
  for (size_t c = 0; c < kCodes; ++c) sums[c] = _mm512_setzero_si512();
  const auto add = [&](__mmask64 there, size_t b) {
    const __m512i low_value = _mm512_loadu_si512(query.values + b);
    const __m512i high_value = _mm512_loadu_si512(high_values + b);
    ROX_UNROLL
    for (size_t c = 0; c < kCodes; ++c) {
      const __m512i names = _mm512_maskz_loadu_epi8(there, codes + c * stride + b);
      const __m512i low = _mm512_and_si512(names, half);
      const __m512i high = _mm512_and_si512(_mm512_srli_epi16(names, 4), half);
      sums[c] = _mm512_dpbusd_epi32(sums[c], _mm512_shuffle_epi8(levels, low), low_value);
      sums[c] = _mm512_dpbusd_epi32(sums[c], _mm512_shuffle_epi8(levels, high), high_value);
    }
  };
  const size_t whole = query.byte_count / 64 * 64;
  for (size_t b = 0; b < whole; b += 64) add(~__mmask64{0}, b);
  if (whole < query.byte_count) add((uint64_t{1} << (query.byte_count - whole)) - 1, whole);
}

void dot_nibbles(const NibbleQuery& query, const uint8_t* codes, size_t stride, size_t count,
                 int32_t* out) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    __m512i sums[4];
    add_nibble_products(query, codes + i * stride, stride, sums);
    const __m512i first =
        _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]),
                         _mm512_unpackhi_epi32(sums[0], sums[1]));  // of 0 1 0 1, four times
    const __m512i second = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]),
                                            _mm512_unpackhi_epi32(sums[2], sums[3]));
    const __m512i all =
        _mm512_add_epi32(_mm512_unpacklo_epi64(first, second),
                         _mm512_unpackhi_epi64(first, second));  // of 0 1 2 3, four times
    const __m256i two =
        _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    const __m128i one =
        _mm_add_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), one);
  }
  for (; i < count; ++i) {
    __m512i sums[1];
    add_nibble_products(query, codes + i * stride, stride, sums);
    out[i] = _mm512_reduce_add_epi32(sums[0]);
  }
}

}  // namespace
}  // namespace roxanne::kernels
