// Scalar quantization: each coordinate rounded to one of 256 or 128 levels, with one step for all.
//
//   flat code   a signed byte a coordinate: x ~ middle + step * byte
//   block       32 flat codes
//
// Codes are compared by the integer kernels. u8 and i8 vectors under L2 keep every bit with 8 bits.
#pragma once

#include <memory>
#include <vector>

#include "quantize/quantizer.h"

namespace roxanne::quantize {

struct ScalarOptions {
  size_t bits = 8;  // 7 or 8. Differences of 7-bit codes fit a signed byte
};

class ScalarQuantizer final : public Quantizer {
 public:
  ScalarQuantizer(size_t dim, Metric metric, const ScalarOptions& options);

  size_t dim() const override { return dim_; }
  size_t code_bytes() const override { return dim_; }
  void train(MatrixView sample) override;
  void encode(MatrixView rows, uint8_t* codes) const override;
  void pack_block(const uint8_t* codes, size_t count, uint8_t* block) const override;
  std::unique_ptr<Estimator> prepare_query(VectorView query) const override;

 private:
  int level_min() const { return -(1 << (options_.bits - 1)); }
  int level_max() const { return (1 << (options_.bits - 1)) - 1; }
  // What the level of a coordinate stands for.
  float value(int level) const { return middle_ + step_ * static_cast<float>(level); }
  int8_t level_of(float coordinate) const;
  double squared_error(const float* row) const;

  size_t dim_;
  Metric metric_;
  ScalarOptions options_;
  float middle_ = 0;
  float step_ = 1;
  float distortion_ = 0;  // mean squared distance of the sample's rows to their codes
};

}  // namespace roxanne::quantize
