// The space in which edges of a changing graph are chosen: that of its codes, so that points whose
// pages are not at hand can be had from their codes. Squared Euclidean distances, whatever the
// metric; under inner product with the coordinate that makes all norms equal (graph/points.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/disk_graph.h"

namespace roxanne::index {

// One thread's.
class LinkSpace {
 public:
  explicit LinkSpace(const DiskGraph& graph);

  size_t dim() const { return dim_; }
  // Both write dim() floats.
  void of_row(const std::byte* row, float* out);
  void of_code(const uint8_t* code, uint32_t cell, float* out);
  float distance(const float* a, const float* b) const;

 private:
  const DiskGraph& graph_;
  const bool has_offsets_;
  const size_t dim_;
  std::vector<float> centroid_;
};

}  // namespace roxanne::index
