// Kernels for codes of a node's neighbours as seen from the node: made at build, read by searches.
//
// A code is RaBitQ's (arXiv 2409.09913) of the residual r = neighbour - node: each coordinate
// becomes one of 2^B steps z of a grid around zero (+-1/2, +-3/2 ...), the best-fitting multiple of
// which stands for r. Bit plane p of a code holds bit p of every step's number u = z + (2^B - 1)/2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace roxanne::kernels {

// Neighbours whose codes lie together and are read in one go.
inline constexpr size_t kNeighbourBlock = 32;
inline constexpr size_t kResidualBitsMax = 4;
// Coordinates come in multiples of this.
inline constexpr size_t kResidualStep = 16;

struct ResidualSums {
  float squared_norm;  // of r
  float dot_residual;  // of z and r
  float dot_centre;    // of z and the node
};

// Encodes vector - centre. `dim` is a multiple of kResidualStep, `bits` 1..kResidualBitsMax, `grid`
// the width of a step where the residual's coordinates have a mean square of 1. Plane p is written
// as dim / 8 bytes at planes + p * dim / 8, coordinate i in bit i % 8 of byte i / 8.
using EncodeResidualFn = void (*)(const float* centre, const float* vector, size_t dim, size_t bits,
                                  float grid, uint8_t* planes, ResidualSums* sums);

// kNeighbourBlock neighbours: their planes of codes one after the other, each as sum_nibbles takes
// it, and what turns sums of look-ups into distances. `adds` of missing neighbours are infinite.
struct NeighbourBlock {
  const uint8_t* planes;
  const float* adds;
  const float* scales;
};

// A query made ready: tables of its look-ups, of one step and offset.
struct EstimateQuery {
  const uint8_t* tables;
  size_t table_count;
  size_t plane_count;
  float step;
  float offset;
};

// Estimates base + adds[i] + scales[i] * (step * sum over p of 2^p * sums_p[i] + offset), and
// writes those below `bound` with their places, ascending by place. Returns how many; both arrays
// have room for kNeighbourBlock.
using SelectEstimatesFn = size_t (*)(const NeighbourBlock& block, const EstimateQuery& query,
                                     float base, float bound, float* estimates, uint32_t* places);

}  // namespace roxanne::kernels
