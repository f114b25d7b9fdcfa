// A query cut into planes of bits, for inner products with planes of bits by counting ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace roxanne::quantize {

// Coordinates are rounded to bytes: q_i ~ least + step * byte_i. Inner products and sum() are those
// of the rounded query, exactly.
class BitQuery {
 public:
  // dim is a multiple of 64.
  BitQuery(const float* query, size_t dim);

  size_t plane_bytes() const { return word_count_ * sizeof(uint64_t); }
  float sum() const { return sum_; }

  // With the number whose binary digits are the bits of `plane_count` planes, the highest first;
  // plane_count <= 8.
  float dot(const uint8_t* planes, size_t plane_count) const {
    uint64_t steps = 0, ones = 0;
    for (size_t p = 0; p < plane_count; ++p) {
      const Counts counts = count(planes + p * plane_bytes());
      steps = 2 * steps + counts.steps;
      ones = 2 * ones + counts.ones;
    }
    return step_ * static_cast<float>(steps) + least_ * static_cast<float>(ones);
  }

 private:
  static constexpr size_t kQueryBits = 8;
  struct Counts {
    uint64_t steps;  // bytes of the query under a one of the plane, summed
    uint64_t ones;
  };

  Counts count(const uint8_t* plane) const {
    uint64_t sums[kQueryBits] = {};
    uint64_t ones = 0;
    for (size_t w = 0; w < word_count_; ++w) {
      uint64_t bits;
      std::memcpy(&bits, plane + w * sizeof bits, sizeof bits);
      const uint64_t* query = words_.data() + w * kQueryBits;
      ones += static_cast<uint64_t>(__builtin_popcountll(bits));
      for (size_t j = 0; j < kQueryBits; ++j) {
        sums[j] += static_cast<uint64_t>(__builtin_popcountll(bits & query[j]));
      }
    }
    uint64_t steps = 0;
    for (size_t j = 0; j < kQueryBits; ++j) steps += sums[j] << j;
    return {steps, ones};
  }

  size_t word_count_;
  float least_ = 0;
  float step_ = 0;
  float sum_ = 0;
  std::vector<uint64_t> words_;  // word w of bit j of the bytes at w * kQueryBits + j
};

}  // namespace roxanne::quantize
