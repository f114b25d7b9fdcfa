// Product codes of what is left of a vector when its cell's centroid is taken away, so that a short
// code says much, and one table a query serves the codes of all cells.
//
//   code   a byte a part: the nearest of 256 entries; then `add` as int16 in steps of add_step
//
// With c the centroid and r the sum of the entries named, a squared distance is estimated as
//   |q - (c + r)|^2 = |q - c|^2 + (|r|^2 + 2 <c, r>) - 2 <q, r>
// whose first term is had once a cell, the second lies in the code as `add`, and the third is a sum
// of table look-ups that do not depend on the cell. (IVFADC of Jegou, Douze, Schmid, PAMI 2011; the
// split of terms: Babenko and Lempitsky, CVPR 2012.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/product_codes.h"

namespace roxanne::quantize {

// Trained once, then only read: all const calls may run at once.
class ResidualProductCode {
 public:
  ResidualProductCode() = default;
  // Parts of as equal lengths as can be; part_count is 1..dim.
  ResidualProductCode(size_t dim, size_t part_count);

  // An `add` that no vector's code has: it marks places without one.
  static constexpr int16_t kVacant = INT16_MAX;
  void set_vacant(uint8_t* code) const {
    std::memcpy(code + part_count_, &kVacant, sizeof kVacant);
  }
  bool is_vacant(const uint8_t* code) const {
    int16_t add;
    std::memcpy(&add, code + part_count_, sizeof add);
    return add == kVacant;
  }

  size_t dim() const { return dim_; }
  size_t part_count() const { return part_count_; }
  size_t code_bytes() const { return part_count_ + sizeof(int16_t); }

  // `count` residuals, the centroids they are left of (both count x dim), and what is to be added
  // to each estimate beside. Deterministic for a seed.
  struct Sample {
    const float* residuals = nullptr;
    const float* centroids = nullptr;
    const float* extras = nullptr;
    size_t count = 0;
  };
  void train(const Sample& sample, uint64_t seed, base::ThreadPool& pool, size_t thread_count);
  // What a file keeps: dim x 256 floats, part by part and in it coordinate by coordinate.
  std::span<const float> codebook() const { return codebook_; }
  float add_step() const { return add_step_; }
  void restore(std::vector<float> codebook, float add_step);

  // Writes code_bytes().
  void encode(const float* residual, const float* centroid, float extra, uint8_t* code) const;

  // The entries that a code names: about the residual. Writes dim() floats.
  void decode(const uint8_t* code, float* residual) const;

  // A query in the space of the centroids, made ready; reused.
  class Query {
   public:
    void prepare(const ResidualProductCode& code, const float* query);

    // `base` is the query's squared distance from the cell's centroid.
    float estimate(const uint8_t* code, float base) const {
      // Table look-ups are what takes the time; eight names come with one load. Four sums, so that
      // additions need not wait for each other.
      float sums[4] = {};
      const float* table = table_.data();
      size_t p = 0;
      for (; p + 8 <= part_count_; p += 8, table += 8 * kernels::kCodebookEntries) {
        uint64_t names;
        std::memcpy(&names, code + p, sizeof names);
        for (size_t i = 0; i < 8; ++i) {
          sums[i % 4] += table[i * kernels::kCodebookEntries + ((names >> (8 * i)) & 0xff)];
        }
      }
      for (; p < part_count_; ++p, table += kernels::kCodebookEntries) sums[0] += table[code[p]];
      int16_t add;
      std::memcpy(&add, code + part_count_, sizeof add);
      return base + add_step_ * static_cast<float>(add) +
             ((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }

   private:
    size_t part_count_ = 0;
    float add_step_ = 0;
    std::vector<float> table_;  // part_count x 256
  };

 private:
  size_t first_of(size_t part) const { return part * dim_ / part_count_; }
  size_t dim_of(size_t part) const { return first_of(part + 1) - first_of(part); }
  const float* entries_of(size_t part) const {
    return codebook_.data() + first_of(part) * kernels::kCodebookEntries;
  }
  void train_part(size_t part, const Sample& sample, uint64_t seed);
  float name_parts(const float* residual, const float* centroid, uint8_t* code) const;

  size_t dim_ = 0;
  size_t part_count_ = 0;
  std::vector<float> codebook_;
  float add_step_ = 1;
};

}  // namespace roxanne::quantize
