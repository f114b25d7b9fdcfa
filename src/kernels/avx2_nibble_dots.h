// dot_nibbles for AVX2; included by avx2.cc alone.
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
  const __m256i levels =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
  const __m256i half = _mm256_set1_epi8(0x0f);
  const __m256i ones = _mm256_set1_epi16(1);
  const int8_t* high_values = query.values + query.padded_bytes();
  const auto load = [](const void* at) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(at));
  };
  const size_t whole = query.byte_count / 32 * 32;
  for (size_t i = 0; i < count; ++i, codes += stride) {
    __m256i low_sums = _mm256_setzero_si256();
    __m256i high_sums = _mm256_setzero_si256();
    const auto add = [&](__m256i names, size_t b) {
      const __m256i low = _mm256_and_si256(names, half);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(names, 4), half);
      // Levels are at most 127: two products fit a lane of 16 bits.
      const __m256i low_pairs =
          _mm256_maddubs_epi16(_mm256_shuffle_epi8(levels, low), load(query.values + b));
      const __m256i high_pairs =
          _mm256_maddubs_epi16(_mm256_shuffle_epi8(levels, high), load(high_values + b));
      low_sums = _mm256_add_epi32(low_sums, _mm256_madd_epi16(low_pairs, ones));
      high_sums = _mm256_add_epi32(high_sums, _mm256_madd_epi16(high_pairs, ones));
    };
    for (size_t b = 0; b < whole; b += 32) add(load(codes + b), b);
    if (whole < query.byte_count) {
      // Where the query is padded its zeros make any level nothing.
      alignas(32) uint8_t rest[32] = {};
      __builtin_memcpy(rest, codes + whole, query.byte_count - whole);
      add(load(rest), whole);
    }
    const __m256i sums = _mm256_add_epi32(low_sums, high_sums);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(1, 0, 3, 2)));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(2, 3, 0, 1)));
    out[i] = _mm_cvtsi128_si32(four);
  }
}

}  // namespace
}  // namespace roxanne::kernels
