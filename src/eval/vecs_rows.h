// Rows that each start with their length: what fvecs, bvecs and ivecs files are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "eval/input_file.h"
#include "roxanne/status.h"

namespace roxanne::eval {

// One thread at a time.
class VecsRows {
 public:
  // Checks the file's size against its first row. kInvalidArgument for an empty file: without a row
  // there is no dimension.
  static Result<VecsRows> open(InputFile input, size_t element_bytes);

  size_t dim() const { return dim_; }
  uint64_t rows() const { return input_.bytes / stride(); }
  uint64_t rows_done() const { return rows_done_; }
  const InputFile& input() const { return input_; }

  // The elements of the next rows, as many as `out` has room for; there must be so many.
  Status read(std::span<std::byte> out);

 private:
  VecsRows(InputFile input, size_t element_bytes, size_t dim);
  size_t row_bytes() const { return dim_ * element_bytes_; }
  size_t stride() const { return sizeof(uint32_t) + row_bytes(); }
  Status read_block(std::span<std::byte> out);

  InputFile input_;
  size_t element_bytes_;
  size_t dim_;
  uint64_t rows_done_ = 0;
  std::vector<std::byte> block_;  // rows with their lengths
};

}  // namespace roxanne::eval
