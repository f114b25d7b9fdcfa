// Codebooks of parts: a vector is cut into parts, each named by the nearest of 256 entries in
// a byte (product quantization: Jegou, Douze, Schmid, PAMI 2011). As short as one likes; inner
// products with a query are a table look-up a byte.
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
class ProductCodebook {
 public:
  ProductCodebook() = default;
  // Parts of as equal lengths as can be; part_count is 1..dim.
  ProductCodebook(size_t dim, size_t part_count);

  size_t name_bytes() const { return part_count_; }
  static size_t value_count(size_t dim) { return dim * kernels::kCodebookEntries; }

  // `vectors` is count x dim. Deterministic for a seed.
  void train(const float* vectors, size_t count, uint64_t seed, base::ThreadPool& pool,
             size_t thread_count);
  // What a file keeps: dim x 256 floats, part by part and in it coordinate by coordinate.
  std::span<const float> values() const { return values_; }
  void restore(std::vector<float> values);

  // Writes name_bytes().
  void name(const float* vector, uint8_t* names) const;
  // What the names stand for. Writes dim floats.
  void decode(const uint8_t* names, float* vector) const;

  // Inner products of one query with what names stand for, times -2; reused.
  class Query {
   public:
    static size_t bytes(size_t part_count) {
      return part_count * kernels::kCodebookEntries * sizeof(float);
    }
    void prepare(const ProductCodebook& codebook, const float* query);

    float dot(const uint8_t* names) const {
      // Table look-ups are what takes the time; eight names come with one load. Four sums, so that
      // additions need not wait for each other.
      float sums[4] = {};
      const float* table = table_.data();
      size_t p = 0;
      for (; p + 8 <= part_count_; p += 8, table += 8 * kernels::kCodebookEntries) {
        uint64_t eight;
        std::memcpy(&eight, names + p, sizeof eight);
        for (size_t i = 0; i < 8; ++i) {
          sums[i % 4] += table[i * kernels::kCodebookEntries + ((eight >> (8 * i)) & 0xff)];
        }
      }
      for (; p < part_count_; ++p, table += kernels::kCodebookEntries) sums[0] += table[names[p]];
      return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
    // Of `count` names, each `stride` bytes after the one before.
    void dots(const uint8_t* names, size_t stride, size_t count, float* out) const {
      for (size_t i = 0; i < count; ++i) out[i] = dot(names + i * stride);
    }

   private:
    size_t part_count_ = 0;
    std::vector<float> table_;  // part_count x 256
  };

 private:
  size_t first_of(size_t part) const { return part * dim_ / part_count_; }
  size_t dim_of(size_t part) const { return first_of(part + 1) - first_of(part); }
  const float* entries_of(size_t part) const {
    return values_.data() + first_of(part) * kernels::kCodebookEntries;
  }
  void train_part(size_t part, const float* vectors, size_t count, uint64_t seed);

  size_t dim_ = 0;
  size_t part_count_ = 0;
  std::vector<float> values_;
};

}  // namespace roxanne::quantize
