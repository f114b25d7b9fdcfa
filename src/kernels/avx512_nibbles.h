// AVX-512: sums of table look-ups for blocks of 32 codes, two rows of codes and so four tables a
// register. Included by avx512.cc only. The sums of bytes are those of avx2_nibbles.h.
#pragma once

#include <immintrin.h>

#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

// Sums of the low nibbles and of the high ones are kept apart, so that additions overlap.
struct NibbleSums {
  __m512i all[2];
  __m512i odd[2];

  ROX_INLINE void add(__m512i looked_up, size_t half) {
    all[half] = _mm512_add_epi16(all[half], looked_up);
    odd[half] = _mm512_add_epi16(odd[half], _mm512_srli_epi16(looked_up, 8));
  }
  // Row a of the pair is in the lower half of the registers: its low nibbles are looked up in
  // table 0 of the four, its high ones in 1; those of row b in 2 and 3.
  ROX_INLINE void add_rows(__m512i rows, __m512i tables) {
    const __m512i low_half = _mm512_set1_epi8(0x0f);
    const __m512i low = _mm512_and_si512(rows, low_half);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(rows, 4), low_half);
    add(_mm512_shuffle_epi8(_mm512_shuffle_i32x4(tables, tables, 0xa0), low), 0);
    add(_mm512_shuffle_epi8(_mm512_shuffle_i32x4(tables, tables, 0xf5), high), 1);
  }
};

ROX_INLINE __m256i halves_added(__m512i sums) {
  return _mm256_add_epi16(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
}

ROX_INLINE __m512i load_32_bytes(const uint8_t* from) {
  return _mm512_zextsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

void sum_nibbles(const uint8_t* codes, const uint8_t* lut, size_t table_count, uint16_t* out) {
  const __m512i zero = _mm512_setzero_si512();
  NibbleSums sums = {{zero, zero}, {zero, zero}};
  size_t byte = 0;
  for (; byte + 64 <= table_count * 16; byte += 64) {
    sums.add_rows(_mm512_loadu_si512(codes + byte), _mm512_loadu_si512(lut + byte));
  }
  // A last row alone: the other half looks up zeros.
  if (byte < table_count * 16)
    sums.add_rows(load_32_bytes(codes + byte), load_32_bytes(lut + byte));

  const __m256i odd = halves_added(_mm512_add_epi16(sums.odd[0], sums.odd[1]));
  const __m256i all = halves_added(_mm512_add_epi16(sums.all[0], sums.all[1]));
  const __m256i even = _mm256_sub_epi16(all, _mm256_slli_epi16(odd, 8));
  const __m256i first = _mm256_unpacklo_epi16(even, odd);   // codes 0..7 and 16..23
  const __m256i second = _mm256_unpackhi_epi16(even, odd);  // codes 8..15 and 24..31
  auto* to = reinterpret_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(first, second, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(first, second, 0x31));
}

}  // namespace
}  // namespace roxanne::kernels
