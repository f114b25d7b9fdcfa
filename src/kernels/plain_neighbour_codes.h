// Codes of neighbours in plain C++, on whatever sum_nibbles the including file has. Included by
// the file of a set without faster ones of its own, after its sum_nibbles.
#pragma once

#include "kernels/neighbour_codes.h"
#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

void encode_residual(const float* centre, const float* vector, size_t dim, size_t bits, float grid,
                     uint8_t* planes, ResidualSums* sums) {
  // Sums of sixteen lanes, as the wider sets have them.
  float norms[kResidualStep] = {};
  for (size_t i = 0; i < dim; ++i) {
    const float r = vector[i] - centre[i];
    norms[i % kResidualStep] += r * r;
  }
  float norm = 0;
  for (const float part : norms) norm += part;
  const float width = grid * __builtin_sqrtf(norm / static_cast<float>(dim));
  const float per_step = width > 0 ? 1 / width : 0;
  const int32_t half = 1 << (bits - 1);
  const float middle = static_cast<float>(2 * half - 1) / 2;
  float dots[2][kResidualStep] = {};
  for (size_t p = 0; p < bits * (dim / 8); ++p) planes[p] = 0;
  for (size_t i = 0; i < dim; ++i) {
    const float r = vector[i] - centre[i];
    const float steps = __builtin_fabsf(r) * per_step;
    const int32_t m = steps < static_cast<float>(half - 1) ? static_cast<int32_t>(steps) : half - 1;
    const int32_t u = r >= 0 ? half + m : half - 1 - m;
    const float z = static_cast<float>(u) - middle;
    dots[0][i % kResidualStep] += z * r;
    dots[1][i % kResidualStep] += z * centre[i];
    for (size_t p = 0; p < bits; ++p) {
      planes[p * (dim / 8) + i / 8] |= static_cast<uint8_t>(((u >> p) & 1) << (i % 8));
    }
  }
  *sums = {norm, 0, 0};
  for (size_t lane = 0; lane < kResidualStep; ++lane) {
    sums->dot_residual += dots[0][lane];
    sums->dot_centre += dots[1][lane];
  }
}

size_t select_estimates(const NeighbourBlock& block, const EstimateQuery& query, float base,
                        float bound, float* estimates, uint32_t* places) {
  uint32_t totals[kNeighbourBlock] = {};
  uint16_t sums[kNeighbourBlock];
  for (size_t p = 0; p < query.plane_count; ++p) {
    sum_nibbles(block.planes + p * query.table_count * 16, query.tables, query.table_count, sums);
    for (size_t i = 0; i < kNeighbourBlock; ++i) totals[i] += static_cast<uint32_t>(sums[i]) << p;
  }
  size_t count = 0;
  for (uint32_t i = 0; i < kNeighbourBlock; ++i) {
    const float looked_up = static_cast<float>(totals[i]) * query.step + query.offset;
    const float estimate = looked_up * block.scales[i] + block.adds[i] + base;
    if (!(estimate < bound)) continue;
    estimates[count] = estimate;
    places[count++] = i;
  }
  return count;
}

}  // namespace
}  // namespace roxanne::kernels
