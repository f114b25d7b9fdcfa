// AVX2: sums of table look-ups for blocks of 32 codes. Included by avx2.cc only.
//
// A register of looked-up bytes is added as 16-bit lanes twice: as it is, and shifted right by 8.
// The second sum is that of the odd bytes; less 256 times it, the first is that of the even ones.
// Both may wrap in between, since all is modulo 2^16.
#pragma once

#include <immintrin.h>

#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

// One table a register: sums of both nibbles of a byte are kept apart, so that additions overlap.
struct NibbleSums {
  __m256i all[2];
  __m256i odd[2];

  ROX_INLINE void add(__m256i looked_up, size_t half) {
    all[half] = _mm256_add_epi16(all[half], looked_up);
    odd[half] = _mm256_add_epi16(odd[half], _mm256_srli_epi16(looked_up, 8));
  }
};

ROX_INLINE __m256i load_table(const uint8_t* lut) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(lut)));
}

void sum_nibbles(const uint8_t* codes, const uint8_t* lut, size_t table_count, uint16_t* out) {
  const __m256i low_half = _mm256_set1_epi8(0x0f);
  const __m256i zero = _mm256_setzero_si256();
  NibbleSums sums = {{zero, zero}, {zero, zero}};
  for (size_t t = 0; t < table_count; t += 2) {
    const __m256i row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + t * 16));
    const __m256i low = _mm256_and_si256(row, low_half);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(row, 4), low_half);
    sums.add(_mm256_shuffle_epi8(load_table(lut + t * 16), low), 0);
    sums.add(_mm256_shuffle_epi8(load_table(lut + t * 16 + 16), high), 1);
  }
  const __m256i odd = _mm256_add_epi16(sums.odd[0], sums.odd[1]);
  const __m256i all = _mm256_add_epi16(sums.all[0], sums.all[1]);
  const __m256i even = _mm256_sub_epi16(all, _mm256_slli_epi16(odd, 8));
  const __m256i first = _mm256_unpacklo_epi16(even, odd);   // codes 0..7 and 16..23
  const __m256i second = _mm256_unpackhi_epi16(even, odd);  // codes 8..15 and 24..31
  auto* to = reinterpret_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(first, second, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(first, second, 0x31));
}

}  // namespace
}  // namespace roxanne::kernels
