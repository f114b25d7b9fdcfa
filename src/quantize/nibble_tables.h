// Look-up tables of a query for codes of nibbles, in the precision that the fast-scan kernel takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"

namespace roxanne::quantize {

inline constexpr size_t kNibbleValues = 16;

// A block's sums of table entries, from tables of floats that are rounded to bytes with one step
// for all of them: the sums are off by a random walk of half steps, without bias.
class NibbleTables {
 public:
  // `tables` is table_count x kNibbleValues; table_count is even.
  NibbleTables(const float* tables, size_t table_count);

  // Bytes of a flat code: one for two tables, the low half for the first of them.
  size_t code_bytes() const { return table_count_ / 2; }

  // Sums are whole steps until they are turned into a value, so that sums of planes of one code
  // can be weighted and added first.
  //
  // totals[i] += 2^shift * steps of code i of a block of kBlockCodes, which is the flat codes'
  // bytes transposed: code_bytes() rows.
  void add_block(const uint8_t* block, unsigned shift, uint32_t* totals) const;
  // Of one flat code.
  uint32_t steps(const uint8_t* code) const;

  // A sum of tables is step() * steps + offset().
  float step() const { return step_; }
  float offset() const { return offset_; }

 private:
  size_t table_count_;
  float step_ = 0;
  float offset_ = 0;  // the least of each table, summed
  base::AlignedBuffer bytes_;
};

// Writes the `size` bytes at the front of each of `count` <= kBlockCodes codes, which begin
// `stride` bytes apart, as `size` rows of kBlockCodes bytes; missing codes are zeros.
void transpose_codes(const uint8_t* codes, size_t count, size_t stride, size_t size, uint8_t* rows);

}  // namespace roxanne::quantize
