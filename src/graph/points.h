// The vectors a graph is built over, seen as 8-bit integers under squared L2, whatever their type
// and metric: partition, leaves and pruning know nothing else.
//
// u8 and i8 vectors under L2 are taken as they are, so distances are exact and every back end can
// make the same graph. Everything else is moved to the centre of the few points at hand and scaled
// to [-127, 127] each time some are gathered: the nearer the points are to each other, the finer
// the scale. Metrics become L2 first:
//   cosine         vectors of length 1: |x - y|^2 = 2 - 2 cos
//   inner product  one more coordinate, sqrt(M^2 - |x|^2) with M the greatest norm, makes all norms
//                  equal, so that the L2 order of a query without it is that of inner products
//                  (Bachrach et al., RecSys 2014)
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/distance.h"
#include "roxanne/types.h"

namespace roxanne::graph {

// Some points as integers, gathered together. Made once and filled again and again: its memory only
// grows.
class PointBlock {
 public:
  size_t rows() const { return rows_; }
  size_t dim() const { return dim_; }
  // u8, or i8 as their bytes; dense.
  uint8_t* row(size_t i) { return codes_.get() + i * dim_; }
  const uint8_t* row(size_t i) const { return codes_.get() + i * dim_; }
  std::vector<int32_t>& norms() { return norms_; }  // squared
  const std::vector<int32_t>& norms() const { return norms_; }

  // What was in it is gone.
  void resize(size_t rows, size_t dim);
  // Room for `count` floats, for whoever fills the block.
  float* scratch(size_t count);

 private:
  std::unique_ptr<uint8_t[]> codes_;
  size_t capacity_ = 0;
  std::vector<int32_t> norms_;
  std::vector<float> scratch_;
  size_t rows_ = 0;
  size_t dim_ = 0;
};

// The integer kernels of one element type.
struct PointKernels {
  const kernels::PanelKernels<int32_t>* panel;
  kernels::IntToRowsFn l2;
  kernels::IntNormsFn norms;
};
PointKernels point_kernels(ScalarType type);

// Immutable; all calls may run at once.
class Points {
 public:
  // `rows` outlive this. u8, i8: no copy is made; neither is one of the others.
  Points(MatrixView rows, Metric metric);

  size_t count() const { return rows_.rows(); }
  // Of the integer vectors: one more than the rows' under inner product.
  size_t dim() const { return dim_; }
  // kU8 or kI8.
  ScalarType code_type() const { return code_type_; }
  // Whether codes are the vectors themselves, the same in every frame.
  bool is_native() const { return is_native_; }

  // Where quantised codes have their zero, and their unit.
  struct Frame {
    std::vector<float> centre;
    float scale = 1;
  };
  // A frame that holds all of `ids` with `headroom` to spare (1 = none).
  Frame frame(std::span<const uint32_t> ids, float headroom = 1) const;
  // Codes of `ids` in a frame; what lies outside is clamped.
  void gather(std::span<const uint32_t> ids, const Frame& frame, PointBlock& block) const;
  // The same in their own frame.
  void gather(std::span<const uint32_t> ids, PointBlock& block) const;
  // Squared distances of point `id` from others, in no frame: those of different sets compare.
  void distances(uint32_t id, std::span<const uint32_t> others, float* out) const;

 private:
  class Extent;  // of coordinates

  // Vector `id` as floats in the space where its metric is L2.
  void load(uint32_t id, float* out) const;
  void prefetch_after(std::span<const uint32_t> ids, size_t i) const;

  MatrixView rows_;
  Metric metric_;
  size_t dim_;
  ScalarType code_type_;
  bool is_native_;
  std::vector<float> extra_;   // inner product: the added coordinate of each row
  std::vector<float> scales_;  // cosine: one over each row's norm
};

}  // namespace roxanne::graph
