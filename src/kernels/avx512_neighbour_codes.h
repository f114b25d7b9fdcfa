// AVX-512: codes of a node's neighbours. Included by avx512.cc only.
#pragma once

#include <immintrin.h>

#include "kernels/avx512_nibbles.h"
#include "kernels/neighbour_codes.h"
#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

void encode_residual(const float* centre, const float* vector, size_t dim, size_t bits, float grid,
                     uint8_t* planes, ResidualSums* sums) {
  const auto residual = [&](size_t i) {
    return _mm512_sub_ps(_mm512_loadu_ps(vector + i), _mm512_loadu_ps(centre + i));
  };
  __m512 norms = _mm512_setzero_ps();
  for (size_t i = 0; i < dim; i += kResidualStep) {
    norms = _mm512_fmadd_ps(residual(i), residual(i), norms);
  }
  const float norm = _mm512_reduce_add_ps(norms);
  const float width = grid * __builtin_sqrtf(norm / static_cast<float>(dim));
  const __m512 per_step = _mm512_set1_ps(width > 0 ? 1 / width : 0);
  const int32_t half = 1 << (bits - 1);
  const __m512i most = _mm512_set1_epi32(half - 1);
  const __m512 middle = _mm512_set1_ps(static_cast<float>(2 * half - 1) / 2);
  __m512 residual_dots = _mm512_setzero_ps();
  __m512 centre_dots = _mm512_setzero_ps();
  for (size_t i = 0; i < dim; i += kResidualStep) {
    const __m512 r = residual(i);
    const __mmask16 is_negative = _mm512_cmp_ps_mask(r, _mm512_setzero_ps(), _CMP_LT_OQ);
    const __m512 steps = _mm512_mul_ps(_mm512_abs_ps(r), per_step);
    const __m512i m = _mm512_min_epi32(_mm512_cvttps_epi32(steps), most);
    const __m512i above = _mm512_add_epi32(m, _mm512_set1_epi32(half));
    const __m512i u = _mm512_mask_sub_epi32(above, is_negative, most, m);
    const __m512 z = _mm512_sub_ps(_mm512_cvtepi32_ps(u), middle);
    residual_dots = _mm512_fmadd_ps(z, r, residual_dots);
    centre_dots = _mm512_fmadd_ps(z, _mm512_loadu_ps(centre + i), centre_dots);
    for (size_t p = 0; p < bits; ++p) {
      const __mmask16 plane = _mm512_test_epi32_mask(u, _mm512_set1_epi32(1 << p));
      __builtin_memcpy(planes + p * (dim / 8) + i / 8, &plane, sizeof plane);
    }
  }
  *sums = {norm, _mm512_reduce_add_ps(residual_dots), _mm512_reduce_add_ps(centre_dots)};
}

ROX_INLINE __m512i widen_sums(const uint16_t* sums) {
  return _mm512_cvtepu16_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(sums)));
}

size_t select_estimates(const NeighbourBlock& block, const EstimateQuery& query, float base,
                        float bound, float* estimates, uint32_t* places) {
  alignas(64) uint16_t sums[kResidualBitsMax][kNeighbourBlock];
  for (size_t p = 0; p < query.plane_count; ++p) {
    sum_nibbles(block.planes + p * query.table_count * 16, query.tables, query.table_count,
                sums[p]);
  }
  const __m512 step = _mm512_set1_ps(query.step);
  const __m512 offset = _mm512_set1_ps(query.offset);
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  size_t count = 0;
  for (size_t i = 0; i < kNeighbourBlock; i += 16) {
    __m512i total = widen_sums(sums[0] + i);
    for (size_t p = 1; p < query.plane_count; ++p) {
      const __m512i plane = widen_sums(sums[p] + i);
      total = _mm512_add_epi32(total, _mm512_slli_epi32(plane, static_cast<unsigned>(p)));
    }
    const __m512 looked_up = _mm512_fmadd_ps(_mm512_cvtepi32_ps(total), step, offset);
    const __m512 add = _mm512_add_ps(_mm512_loadu_ps(block.adds + i), _mm512_set1_ps(base));
    const __m512 estimate = _mm512_fmadd_ps(looked_up, _mm512_loadu_ps(block.scales + i), add);
    const __mmask16 chosen = _mm512_cmp_ps_mask(estimate, _mm512_set1_ps(bound), _CMP_LT_OQ);
    const auto chosen_count = static_cast<size_t>(__builtin_popcount(chosen));
    const __m512i place = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(i)));
    // At most i were chosen before: there is room for a whole register.
    _mm512_storeu_ps(estimates + count, _mm512_maskz_compress_ps(chosen, estimate));
    _mm512_storeu_si512(places + count, _mm512_maskz_compress_epi32(chosen, place));
    count += chosen_count;
  }
  return count;
}

}  // namespace
}  // namespace roxanne::kernels
