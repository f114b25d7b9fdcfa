// Codebooks of levels: each coordinate is named by the nearest of 16 levels in 4 bits, the levels
// the same for all coordinates but for a step of their own (scalar quantization). Half a byte a
// coordinate; inner products with a query take a few instructions for 128 of them, and naming
// a vector a look-up each.
//
//   names   byte b: coordinate b in the low half, b + name_bytes() in the high one
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/nibble_dots.h"

namespace roxanne::quantize {

// Trained once, then only read: all const calls may run at once.
class LevelCodebook {
 public:
  LevelCodebook() = default;
  explicit LevelCodebook(size_t dim);

  static size_t name_bytes(size_t dim) { return (dim + 1) / 2; }
  size_t name_bytes() const { return name_bytes(dim_); }
  static size_t value_count(size_t dim) { return dim + kernels::kNibbleLevels + 1; }

  // `vectors` is count x dim. Finds levels of least squared error (Lloyd, 1982).
  void train(const float* vectors, size_t count);
  // What a file keeps: a step for each coordinate; 16 levels, whole numbers of 0 to 127; their
  // centre. A name of level l stands for step * (l - centre).
  std::span<const float> values() const { return values_; }
  // Whether they are such values.
  static bool are_valid(std::span<const float> values);
  void restore(std::vector<float> values);

  // Writes name_bytes().
  void name(const float* vector, uint8_t* names) const;
  // What the names stand for. Writes dim floats.
  void decode(const uint8_t* names, float* vector) const;

  // Inner products of one query with what names stand for, times -2; reused. The query's
  // coordinates, times their steps, are rounded to 255 values.
  class Query {
   public:
    static size_t bytes(size_t dim) { return dim + 2 * kernels::kNibbleQueryStep; }
    void prepare(const LevelCodebook& codebook, const float* query);

    float dot(const uint8_t* names) const {
      float out;
      dots(names, 0, 1, &out);
      return out;
    }
    // Of `count` names, each `stride` bytes after the one before.
    void dots(const uint8_t* names, size_t stride, size_t count, float* out) const;

   private:
    std::vector<int8_t> values_;  // as kernels::NibbleQuery has them
    std::array<uint8_t, kernels::kNibbleLevels> levels_ = {};
    size_t name_bytes_ = 0;
    float step_ = 0;
    float offset_ = 0;
  };

 private:
  float step(size_t d) const { return values_[d]; }
  float level(size_t l) const { return values_[dim_ + l]; }
  float centre() const { return values_[dim_ + kernels::kNibbleLevels]; }
  void prepare_naming();

  size_t dim_ = 0;
  std::vector<float> values_;
  std::vector<float> per_step_;  // of each coordinate; 0 where it has no step
  // The nearest level of each half of a whole number.
  std::array<uint8_t, 2 * (kernels::kNibbleLevelMost + 1)> nearest_ = {};
};

}  // namespace roxanne::quantize
