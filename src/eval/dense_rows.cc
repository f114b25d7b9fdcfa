#include "eval/dense_rows.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/status_macros.h"

namespace roxanne::eval {
namespace {

std::string shape_text(uint64_t rows, uint64_t dim, ScalarType type) {
  return std::to_string(rows) + " rows of " + std::to_string(dim) + " " +
         std::string(scalar_type_name(type));
}

Status check_shape(const InputFile& input, const DenseShape& shape) {
  const std::string says =
      input.name + ": the header says " + shape_text(shape.rows, shape.dim, shape.type);
  if (shape.dim == 0 || shape.dim > kDimMax) {
    return Status::invalid_argument(says + ": expected a dimension of 1 to " +
                                    std::to_string(kDimMax));
  }
  const uint64_t row_bytes = shape.dim * scalar_bytes(shape.type);
  const uint64_t found_bytes = input.bytes - shape.header_bytes;
  // Divided, not multiplied: a header may say 2^60 rows.
  const uint64_t found_rows = found_bytes / row_bytes;
  if (found_rows == shape.rows && found_bytes % row_bytes == 0) return Status::ok();
  return Status::invalid_argument(
      says + " from byte " + std::to_string(shape.header_bytes) + ": expected so many, found " +
      std::to_string(found_rows) + " rows and " + std::to_string(found_bytes % row_bytes) +
      " bytes (the file has " + std::to_string(input.bytes) + " bytes)");
}

class DenseReader final : public VectorReader {
 public:
  DenseReader(InputFile input, const DenseShape& shape)
      : input_(std::move(input)),
        info_{shape.type, static_cast<size_t>(shape.dim), shape.rows, std::nullopt},
        row_bytes_(info_.dim * scalar_bytes(info_.type)),
        offset_(shape.header_bytes) {}

  const VectorFileInfo& info() const override { return info_; }

  Status read(size_t max_rows, VectorBatch& batch) override {
    reset_batch(batch, info_.type, info_.dim);
    const uint64_t left = (input_.bytes - offset_) / row_bytes_;
    const size_t rows = static_cast<size_t>(std::min<uint64_t>(max_rows, left));
    batch.data.resize(rows * row_bytes_);
    ROX_RETURN_IF_ERROR(input_.read_exactly(offset_, batch.data, "rows"));
    offset_ += batch.data.size();
    batch.rows = rows;
    return Status::ok();
  }

  uint64_t bytes_done() const override { return offset_; }
  uint64_t bytes_total() const override { return input_.bytes; }

 private:
  InputFile input_;
  VectorFileInfo info_;
  size_t row_bytes_;
  uint64_t offset_;
};

}  // namespace

ReaderResult open_dense_reader(InputFile input, const DenseShape& shape) {
  ROX_ASSERT(shape.header_bytes <= input.bytes);
  ROX_RETURN_IF_ERROR(check_shape(input, shape));
  return std::unique_ptr<VectorReader>(std::make_unique<DenseReader>(std::move(input), shape));
}

void reset_batch(VectorBatch& batch, ScalarType type, size_t dim) {
  batch.type = type;
  batch.dim = dim;
  batch.rows = 0;
  batch.data.clear();
  batch.number_keys.clear();
  batch.string_keys.clear();
  batch.payloads.clear();
}

Status check_batch(const VectorBatch& batch, const WriterOptions& options) {
  ROX_ASSERT(batch.data.size() == batch.rows * batch.dim * scalar_bytes(batch.type));
  if (batch.type == options.type && batch.dim == options.dim) return Status::ok();
  return Status::invalid_argument("writer: expected " +
                                  shape_text(batch.rows, options.dim, options.type) + ", found " +
                                  shape_text(batch.rows, batch.dim, batch.type));
}

}  // namespace roxanne::eval
