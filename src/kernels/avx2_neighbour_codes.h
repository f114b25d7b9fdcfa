// AVX2: codes of a node's neighbours. Included by avx2.cc only.
#pragma once

#include <immintrin.h>

#include "kernels/avx2_nibbles.h"
#include "kernels/neighbour_codes.h"
#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

ROX_INLINE float sum_lanes(__m256 low, __m256 high) {
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, _mm256_add_ps(low, high));
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

void encode_residual(const float* centre, const float* vector, size_t dim, size_t bits, float grid,
                     uint8_t* planes, ResidualSums* sums) {
  const auto residual = [&](size_t i) {
    return _mm256_sub_ps(_mm256_loadu_ps(vector + i), _mm256_loadu_ps(centre + i));
  };
  __m256 norms[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  for (size_t i = 0; i < dim; i += kResidualStep) {
    norms[0] = _mm256_fmadd_ps(residual(i), residual(i), norms[0]);
    norms[1] = _mm256_fmadd_ps(residual(i + 8), residual(i + 8), norms[1]);
  }
  const float norm = sum_lanes(norms[0], norms[1]);
  const float width = grid * __builtin_sqrtf(norm / static_cast<float>(dim));
  const __m256 per_step = _mm256_set1_ps(width > 0 ? 1 / width : 0);
  const int32_t half = 1 << (bits - 1);
  const __m256i most = _mm256_set1_epi32(half - 1);
  const __m256 middle = _mm256_set1_ps(static_cast<float>(2 * half - 1) / 2);
  __m256 residual_dots = _mm256_setzero_ps();
  __m256 centre_dots = _mm256_setzero_ps();
  for (size_t i = 0; i < dim; i += 8) {
    const __m256 r = residual(i);
    const __m256 is_negative = _mm256_cmp_ps(r, _mm256_setzero_ps(), _CMP_LT_OQ);
    const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), r);
    const __m256i m = _mm256_min_epi32(_mm256_cvttps_epi32(_mm256_mul_ps(size, per_step)), most);
    const __m256i above = _mm256_add_epi32(m, _mm256_set1_epi32(half));
    const __m256i u =
        _mm256_blendv_epi8(above, _mm256_sub_epi32(most, m), _mm256_castps_si256(is_negative));
    const __m256 z = _mm256_sub_ps(_mm256_cvtepi32_ps(u), middle);
    residual_dots = _mm256_fmadd_ps(z, r, residual_dots);
    centre_dots = _mm256_fmadd_ps(z, _mm256_loadu_ps(centre + i), centre_dots);
    for (size_t p = 0; p < bits; ++p) {
      // Bit p of each lane to its sign.
      const __m256i sign = _mm256_sll_epi32(u, _mm_cvtsi32_si128(static_cast<int>(31 - p)));
      planes[p * (dim / 8) + i / 8] =
          static_cast<uint8_t>(_mm256_movemask_ps(_mm256_castsi256_ps(sign)));
    }
  }
  const __m256 zero = _mm256_setzero_ps();
  *sums = {norm, sum_lanes(residual_dots, zero), sum_lanes(centre_dots, zero)};
}

size_t select_estimates(const NeighbourBlock& block, const EstimateQuery& query, float base,
                        float bound, float* estimates, uint32_t* places) {
  alignas(32) uint16_t sums[kResidualBitsMax][kNeighbourBlock];
  for (size_t p = 0; p < query.plane_count; ++p) {
    sum_nibbles(block.planes + p * query.table_count * 16, query.tables, query.table_count,
                sums[p]);
  }
  size_t count = 0;
  for (size_t i = 0; i < kNeighbourBlock; i += 8) {
    __m256i total = _mm256_setzero_si256();
    for (size_t p = 0; p < query.plane_count; ++p) {
      const __m256i plane =
          _mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(sums[p] + i)));
      total =
          _mm256_add_epi32(total, _mm256_sll_epi32(plane, _mm_cvtsi32_si128(static_cast<int>(p))));
    }
    const __m256 looked_up = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), _mm256_set1_ps(query.step),
                                             _mm256_set1_ps(query.offset));
    const __m256 add = _mm256_add_ps(_mm256_loadu_ps(block.adds + i), _mm256_set1_ps(base));
    alignas(32) float estimate[8];
    const __m256 value = _mm256_fmadd_ps(looked_up, _mm256_loadu_ps(block.scales + i), add);
    _mm256_store_ps(estimate, value);
    auto chosen = static_cast<unsigned>(
        _mm256_movemask_ps(_mm256_cmp_ps(value, _mm256_set1_ps(bound), _CMP_LT_OQ)));
    for (; chosen != 0; chosen &= chosen - 1) {
      const auto lane = static_cast<uint32_t>(__builtin_ctz(chosen));
      estimates[count] = estimate[lane];
      places[count++] = static_cast<uint32_t>(i) + lane;
    }
  }
  return count;
}

}  // namespace
}  // namespace roxanne::kernels
