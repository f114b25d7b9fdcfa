// Codes of neighbours as seen from a node, and estimates of a query's distance to them.
//
// With x a node, y its neighbour, r = y - x, z the code's grid point and f = |r'|^2 / <r', z>,
// where ' is the projection into the subspace, <r', v> is estimated by f <z, v> for any v (RaBitQ,
// arXiv 2405.12497). With v = q' - x' a neighbour's distance from a query is
//   L2:              |q - y|^2 = |q - x|^2 + |r|^2     - 2 <r, q - x>
//   inner product:     -<q, y> = -<q, x>   - <r, x>    -   <r, q - x>
// The first term is the node's own distance, known exactly when its neighbours are looked at. The
// rest is add + scale * <u, q'>-sums, two numbers a neighbour: <z, x'> goes into `add`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/distance.h"
#include "quantize/subspace.h"

namespace roxanne::quantize {

// Codes of a block of kernels::kNeighbourBlock neighbours.
class ResidualEncoder {
 public:
  ResidualEncoder(size_t dim, size_t bits);

  size_t block_bytes() const { return bits_ * dim_ * kernels::kNeighbourBlock / 8; }

  // What a neighbour's code stands for and its place: `constant` is |r|^2 under L2, -<r, x> under
  // inner product; `factor` 2 and 1.
  struct Term {
    float constant;
    float factor;
  };
  // Encodes the projected `neighbour` as seen from the projected `node` into place `place` of a
  // block that was zeroed before.
  void encode(const float* node, const float* neighbour, const Term& term, size_t place,
              uint8_t* block, float* adds, float* scales);

 private:
  size_t dim_;
  size_t bits_;
  float grid_;
  std::vector<uint8_t> planes_;
};

// One query at a time, made ready to be compared with codes.
class ResidualQuery {
 public:
  ResidualQuery(size_t dim, size_t bits);

  // `projected`: the query in the subspace, from the same origin as the nodes were projected.
  void prepare(const float* projected);
  const kernels::EstimateQuery& estimate() const { return estimate_; }

 private:
  size_t dim_;
  size_t bits_;
  base::AlignedBuffer tables_;
  kernels::EstimateQuery estimate_;
};

}  // namespace roxanne::quantize
