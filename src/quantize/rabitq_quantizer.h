// RaBitQ: a vector's residual, rotated at random, as 1 to 8 bits a coordinate, with two or three
// numbers that make the estimates unbiased (Gao, Long, SIGMOD 2024; Gao et al., SIGMOD 2025).
//
//   flat code   `bits` planes of D / 8 bytes, D = dim rounded up to a multiple of 64, the highest
//               bits first, so that the first x planes are an x-bit code; then f32 add, f32 scale
//               and, where asked for, f32 error
//   block       the planes of 32 codes, transposed: D / 8 rows of 32 bytes a plane; then 32 add,
//               32 scale, 32 error
#pragma once

#include <memory>
#include <vector>

#include "quantize/quantizer.h"
#include "quantize/rotation.h"

namespace roxanne::quantize {

struct RabitqOptions {
  enum class Encoding {
    kNearScale,  // the best of a few scales: a hundredth less accurate, ten times as fast
    kBestScale,  // each vector's best
  };
  size_t bits = 1;  // 1..8
  Encoding encoding = Encoding::kNearScale;
  bool has_error_bound = false;  // 4 bytes more a code, for RabitqEstimator::error_bounds
  uint64_t seed = 1;
};

class RabitqEstimator : public Estimator {
 public:
  // How far the estimates of flat codes may be from the truth, exceeded by few (about 1 in 20).
  // The quantizer must have been made with has_error_bound.
  virtual void error_bounds(const uint8_t* codes, size_t count, float* out) const = 0;
};

class RabitqQuantizer final : public Quantizer {
 public:
  RabitqQuantizer(size_t dim, Metric metric, const RabitqOptions& options);

  // Without making one.
  static size_t code_bytes_of(size_t dim, const RabitqOptions& options);

  size_t dim() const override { return rotation_.dim(); }
  size_t code_bytes() const override { return code_bytes_of(dim(), options_); }
  void train(MatrixView sample) override;
  void encode(MatrixView rows, uint8_t* codes) const override;
  void pack_block(const uint8_t* codes, size_t count, uint8_t* block) const override;
  std::unique_ptr<Estimator> prepare_query(VectorView query) const override;
  // The same, with error bounds.
  std::unique_ptr<RabitqEstimator> prepare_bounded_query(VectorView query) const;

 private:
  class QueryEstimator;
  class RowEncoder;
  struct QueryResidual;

  QueryResidual residual_of(const std::vector<float>& query) const;

  size_t plane_bytes() const { return rotation_.padded_dim() / 8; }
  size_t planes_bytes() const { return options_.bits * plane_bytes(); }
  size_t factor_count() const { return factor_count_of(options_); }
  static size_t factor_count_of(const RabitqOptions& options) {
    return options.has_error_bound ? 3 : 2;
  }

  Metric metric_;
  RabitqOptions options_;
  Rotation rotation_;
  float scale_;                // the typical one; 0 with one bit
  std::vector<float> centre_;  // the mean of the sample
};

}  // namespace roxanne::quantize
