// dot_nibbles for AVX2; included by avx2.cc alone.
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
                                    __m256i (&sums)[kCodes]) {
  const __m256i levels =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
  const __m256i half = _mm256_set1_epi8(0x0f);
  const __m256i ones = _mm256_set1_epi16(1);
  const int8_t* high_values = query.values + query.padded_bytes();
  const auto load = [](const void* at) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(at));
  };
  ROX_UNROLL
  for (size_t c = 0; c < kCodes; ++c) sums[c] = _mm256_setzero_si256();
  const auto add = [&](__m256i& sum, __m256i names, size_t b) {
    const __m256i low = _mm256_shuffle_epi8(levels, _mm256_and_si256(names, half));
    const __m256i high =
        _mm256_shuffle_epi8(levels, _mm256_and_si256(_mm256_srli_epi16(names, 4), half));
    // Levels are at most 127: two products fit a lane of 16 bits.
    const __m256i low_pairs = _mm256_maddubs_epi16(low, load(query.values + b));
    const __m256i high_pairs = _mm256_maddubs_epi16(high, load(high_values + b));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(low_pairs, ones));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(high_pairs, ones));
  };
  const size_t whole = query.byte_count / 32 * 32;
  for (size_t b = 0; b < whole; b += 32) {
    ROX_UNROLL
    for (size_t c = 0; c < kCodes; ++c) add(sums[c], load(codes + c * stride + b), b);
  }
  if (whole == query.byte_count) return;
  ROX_UNROLL
  for (size_t c = 0; c < kCodes; ++c) {
    // Where the query is padded its zeros make any level nothing.
    alignas(32) uint8_t rest[32] = {};
    __builtin_memcpy(rest, codes + c * stride + whole, query.byte_count - whole);
    add(sums[c], load(rest), whole);
  }
}

void dot_nibbles(const NibbleQuery& query, const uint8_t* codes, size_t stride, size_t count,
                 int32_t* out) {
  const auto halve = [](__m256i sums) {
    return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  };
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    __m256i sums[4];
    add_nibble_products(query, codes + i * stride, stride, sums);
    const __m256i all =
        _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), halve(all));
  }
  for (; i < count; ++i) {
    __m256i sums[1];
    add_nibble_products(query, codes + i * stride, stride, sums);
    const __m128i four = halve(sums[0]);
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(1, 0, 3, 2)));
    const __m128i one = _mm_add_epi32(two, _mm_shuffle_epi32(two, _MM_SHUFFLE(2, 3, 0, 1)));
    out[i] = _mm_cvtsi128_si32(one);
  }
}

}  // namespace
}  // namespace roxanne::kernels
