// The space in which edges of a changing graph are chosen: that of its codes, so that points whose
// pages are not at hand can be had from their codes. Squared Euclidean distances, whatever the
// metric; under inner product with the coordinate that makes all norms equal (graph/points.h).
// Integers where the collection has them and L2 is their metric: a quarter of the bytes, and pruned
// as they are; else floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/disk_graph.h"
#include "kernels/distance.h"
#include "roxanne/types.h"

namespace roxanne::index {

// One thread's.
class LinkSpace {
 public:
  explicit LinkSpace(const DiskGraph& graph);

  // Points have dim() values of this type.
  ScalarType type() const { return type_; }
  size_t dim() const { return dim_; }
  size_t point_bytes() const { return dim_ * scalar_bytes(type_); }
  // Both write point_bytes().
  void of_row(const std::byte* row, std::byte* out);
  void of_code(const uint8_t* code, uint32_t cell, std::byte* out);
  float distance(const std::byte* a, const std::byte* b) const;

 private:
  bool is_integer() const { return type_ != ScalarType::kF32; }
  void floats_of_code(const uint8_t* code, uint32_t cell, float* out);

  const DiskGraph& graph_;
  const bool has_offsets_;
  const ScalarType type_;
  const size_t dim_;
  const kernels::IntToRowsFn int_distance_;
  std::vector<float> centroid_;
  std::vector<float> decoded_;
};

}  // namespace roxanne::index
