// nearest_entry without vector instructions of its own: for scalar.cc and neon.cc, which include it
// in their anonymous namespace's file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/product_codes.h"

namespace roxanne::kernels {
namespace {

uint32_t nearest_entry(const float* point, size_t dim, const float* entries) {
  float sums[kCodebookEntries] = {};
  for (size_t d = 0; d < dim; ++d) {
    const float* row = entries + d * kCodebookEntries;
    for (size_t e = 0; e < kCodebookEntries; ++e) {
      const float difference = point[d] - row[e];
      sums[e] += difference * difference;
    }
  }
  uint32_t best = 0;
  for (uint32_t e = 1; e < kCodebookEntries; ++e) {
    if (sums[e] < sums[best]) best = e;
  }
  return best;
}

}  // namespace
}  // namespace roxanne::kernels
