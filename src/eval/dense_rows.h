// Rows behind each other without gaps: what bin and npy files are after their headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "eval/file_formats.h"
#include "eval/input_file.h"
#include "eval/output_file.h"
#include "eval/vector_io.h"

namespace roxanne::eval {

// What a header says, unchecked.
struct DenseShape {
  ScalarType type = ScalarType::kF32;
  uint64_t rows = 0;
  uint64_t dim = 0;
  uint64_t header_bytes = 0;
};

// kInvalidArgument unless 1 <= dim <= kDimMax and the file holds exactly the header and the rows.
ReaderResult open_dense_reader(InputFile input, const DenseShape& shape);

// Empties `batch` for rows to come. What the vectors had allocated stays.
void reset_batch(VectorBatch& batch, ScalarType type, size_t dim);
// kInvalidArgument where it is not of this type and dimension.
Status check_batch(const VectorBatch& batch, const WriterOptions& options);

}  // namespace roxanne::eval
