// A random rotation that is fast to apply: four rounds of sign flips, Hadamard transforms and,
// where the dimension is no power of two, Kac's walk (the "FHT-Kac" rotation of the RaBitQ
// library).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace roxanne::quantize {

// Rotated vectors have padded_dim() coordinates: dim rounded up to a multiple of 64, the new ones 0
// before the rotation. Lengths and distances are kept. O(D log D). Calls may run at once.
class Rotation {
 public:
  Rotation(size_t dim, uint64_t seed);

  static size_t padded(size_t dim) { return (dim + kPadding - 1) / kPadding * kPadding; }

  size_t dim() const { return dim_; }
  size_t padded_dim() const { return padded_dim_; }

  // `in` has dim() floats, `out` room for padded_dim(); they do not overlap.
  void apply(const float* in, float* out) const;

 private:
  static constexpr size_t kPadding = 64;

  size_t dim_;
  size_t padded_dim_;
  size_t transform_dim_;      // the largest power of two in padded_dim_
  std::vector<float> signs_;  // of each round, padded_dim_ times -1 or 1
};

}  // namespace roxanne::quantize
