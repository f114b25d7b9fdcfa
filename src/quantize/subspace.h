// The few directions in which neighbours differ, as an orthonormal basis that is rotated at random
// within: what codes of residuals are made in.
//
// Most of what separates near neighbours lies in a subspace far smaller than the vectors' (the
// leading principal components of differences along edges). Codes of its coordinates say more a
// byte than codes of all, and a query is projected with fewer products. The random rotation inside
// spreads the energy evenly over the coordinates, as RaBitQ needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace roxanne::quantize {

struct SubspaceOptions {
  size_t dim_max = 1024;
  // Of the energy of the differences, how much the subspace keeps at least.
  float energy = 0.93f;
  size_t dim_min = 128;  // or the vectors' dimension where that is smaller
  uint64_t seed = 1;
};

class Subspace {
 public:
  Subspace() = default;
  // Trained on `count` differences of `dim` floats each.
  static Subspace train(const float* differences, size_t count, size_t dim,
                        const SubspaceOptions& options);
  // From what basis() gave.
  Subspace(std::vector<float> basis, size_t input_dim);

  size_t input_dim() const { return input_dim_; }
  // A multiple of kernels::kResidualStep; the last directions may be zero.
  size_t dim() const { return input_dim_ == 0 ? 0 : basis_.size() / input_dim_; }
  // dim() x input_dim().
  std::span<const float> basis() const { return basis_; }

  // out[dim()] = basis * vector.
  void project(const float* vector, float* out) const;

  // The same in bytes, for queries: a quarter of the memory to read, off by less than a hundredth
  // of what codes are off by. `bytes` is scratch.
  void project_query(const float* vector, std::vector<int8_t>& bytes, float* out) const;

 private:
  std::vector<float> basis_;
  size_t input_dim_ = 0;
  std::vector<int8_t> byte_basis_;  // each row scaled to [-127, 127]
  std::vector<float> row_scales_;   // what a byte of a row stands for
};

}  // namespace roxanne::quantize
