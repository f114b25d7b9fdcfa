// nearest_entry for AVX2; included by avx2.cc alone.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/product_codes.h"

namespace roxanne::kernels {
namespace {

uint32_t nearest_entry(const float* point, size_t dim, const float* entries) {
  constexpr size_t kAtOnce = 4;  // sums under way, so that additions need not wait
  __m256 least = _mm256_set1_ps(__builtin_inff());
  __m256i number = _mm256_setzero_si256();
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  for (size_t e = 0; e < kCodebookEntries; e += 8 * kAtOnce) {
    __m256 sums[kAtOnce];
    for (size_t s = 0; s < kAtOnce; ++s) sums[s] = _mm256_setzero_ps();
    for (size_t d = 0; d < dim; ++d) {
      const __m256 value = _mm256_set1_ps(point[d]);
      const float* row = entries + d * kCodebookEntries + e;
      for (size_t s = 0; s < kAtOnce; ++s) {
        const __m256 difference = _mm256_sub_ps(value, _mm256_loadu_ps(row + 8 * s));
        sums[s] = _mm256_fmadd_ps(difference, difference, sums[s]);
      }
    }
    for (size_t s = 0; s < kAtOnce; ++s) {
      const __m256 is_less = _mm256_cmp_ps(sums[s], least, _CMP_LT_OQ);
      least = _mm256_blendv_ps(least, sums[s], is_less);
      const __m256i here = _mm256_add_epi32(lanes, _mm256_set1_epi32(static_cast<int>(e + 8 * s)));
      number = _mm256_blendv_epi8(number, here, _mm256_castps_si256(is_less));
    }
  }
  alignas(32) float values[8];
  alignas(32) uint32_t numbers[8];
  _mm256_store_ps(values, least);
  _mm256_store_si256(reinterpret_cast<__m256i*>(numbers), number);
  size_t best = 0;
  for (size_t l = 1; l < 8; ++l) {
    const bool is_less =
        values[l] < values[best] || (values[l] == values[best] && numbers[l] < numbers[best]);
    if (is_less) best = l;
  }
  return numbers[best];
}

}  // namespace
}  // namespace roxanne::kernels
