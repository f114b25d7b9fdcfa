// nearest_entry for AVX-512; included by avx512.cc alone.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/product_codes.h"

namespace roxanne::kernels {
namespace {

uint32_t nearest_entry(const float* point, size_t dim, const float* entries) {
  constexpr size_t kAtOnce = 4;  // sums under way, so that additions need not wait
  __m512 least = _mm512_set1_ps(__builtin_inff());
  __m512i number = _mm512_setzero_si512();
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (size_t e = 0; e < kCodebookEntries; e += 16 * kAtOnce) {
    __m512 sums[kAtOnce];
    for (size_t s = 0; s < kAtOnce; ++s) sums[s] = _mm512_setzero_ps();
    for (size_t d = 0; d < dim; ++d) {
      const __m512 value = _mm512_set1_ps(point[d]);
      const float* row = entries + d * kCodebookEntries + e;
      for (size_t s = 0; s < kAtOnce; ++s) {
        const __m512 difference = _mm512_sub_ps(value, _mm512_loadu_ps(row + 16 * s));
        sums[s] = _mm512_fmadd_ps(difference, difference, sums[s]);
      }
    }
    for (size_t s = 0; s < kAtOnce; ++s) {
      const __mmask16 is_less = _mm512_cmp_ps_mask(sums[s], least, _CMP_LT_OQ);
      least = _mm512_mask_mov_ps(least, is_less, sums[s]);
      const auto first = static_cast<int>(e + 16 * s);
      number = _mm512_mask_add_epi32(number, is_less, lanes, _mm512_set1_epi32(first));
    }
  }
  const __m512 minimum = _mm512_set1_ps(_mm512_reduce_min_ps(least));
  const __mmask16 at_minimum = _mm512_cmp_ps_mask(least, minimum, _CMP_EQ_OQ);
  return _mm512_mask_reduce_min_epu32(at_minimum, number);
}

}  // namespace
}  // namespace roxanne::kernels
