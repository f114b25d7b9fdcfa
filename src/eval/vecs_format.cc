// fvecs, bvecs and ivecs, the layout of the TEXMEX sets, little-endian. A row:
//   0  int32  dimension, the same in every row
//   4  `dimension` elements: float32, uint8 or int32
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/coding.h"
#include "base/status_macros.h"
#include "eval/dense_rows.h"
#include "eval/file_formats.h"
#include "eval/vecs_rows.h"

namespace roxanne::eval {
namespace {

// Rows are read and written in blocks of about this size.
constexpr size_t kBlockBytes = 1u << 20;

class VecsReader final : public VectorReader {
 public:
  VecsReader(VecsRows rows, ScalarType type)
      : rows_(std::move(rows)), info_{type, rows_.dim(), rows_.rows(), std::nullopt} {}

  const VectorFileInfo& info() const override { return info_; }

  Status read(size_t max_rows, VectorBatch& batch) override {
    reset_batch(batch, info_.type, info_.dim);
    const uint64_t left = *info_.rows - rows_.rows_done();
    const size_t rows = static_cast<size_t>(std::min<uint64_t>(max_rows, left));
    batch.data.resize(rows * info_.dim * scalar_bytes(info_.type));
    ROX_RETURN_IF_ERROR(rows_.read(batch.data));
    batch.rows = rows;
    return Status::ok();
  }

  uint64_t bytes_done() const override {
    return rows_.rows_done() * (sizeof(uint32_t) + info_.dim * scalar_bytes(info_.type));
  }
  uint64_t bytes_total() const override { return rows_.input().bytes; }

 private:
  VecsRows rows_;
  VectorFileInfo info_;
};

class VecsWriter final : public VectorWriter {
 public:
  VecsWriter(std::unique_ptr<OutputFile> output, const WriterOptions& options)
      : output_(std::move(output)), options_(options) {}

  Status append(const VectorBatch& batch) override {
    ROX_RETURN_IF_ERROR(check_batch(batch, options_));
    const MatrixView rows = batch.view();
    const uint32_t dim = static_cast<uint32_t>(options_.dim);
    for (size_t row = 0; row < batch.rows; row++) {
      const auto* length = reinterpret_cast<const std::byte*>(&dim);
      block_.insert(block_.end(), length, length + sizeof dim);
      block_.insert(block_.end(), rows.row(row), rows.row(row) + rows.row_bytes());
      if (block_.size() >= kBlockBytes) ROX_RETURN_IF_ERROR(flush());
    }
    return flush();
  }

  Status finish() override { return output_->commit(); }

 private:
  Status flush() {
    const Status status = output_->append(block_);
    block_.clear();
    return status;
  }

  std::unique_ptr<OutputFile> output_;
  WriterOptions options_;
  std::vector<std::byte> block_;
};

std::string dim_text(std::span<const std::byte> bytes) {
  return std::to_string(base::load<int32_t>(bytes.data()));
}

}  // namespace

VecsRows::VecsRows(InputFile input, size_t element_bytes, size_t dim)
    : input_(std::move(input)), element_bytes_(element_bytes), dim_(dim) {}

Result<VecsRows> VecsRows::open(InputFile input, size_t element_bytes) {
  std::byte first[sizeof(int32_t)] = {};
  if (input.bytes == 0) {
    return Status::invalid_argument(input.name +
                                    ": expected the first row's dimension at byte 0, found an "
                                    "empty file");
  }
  ROX_RETURN_IF_ERROR(input.read_exactly(0, first, "the first row's dimension"));
  const int32_t dim = base::load<int32_t>(first);
  if (dim < 1 || dim > static_cast<int32_t>(kDimMax)) {
    return Status::invalid_argument(input.name + ": expected a dimension of 1 to " +
                                    std::to_string(kDimMax) + " at byte 0, found " +
                                    dim_text(first));
  }
  VecsRows rows(std::move(input), element_bytes, static_cast<size_t>(dim));
  const uint64_t odd_bytes = rows.input_.bytes % rows.stride();
  if (odd_bytes == 0) return rows;
  return Status::invalid_argument(
      rows.input_.name + ": expected rows of " + std::to_string(rows.stride()) +
      " bytes (dimension " + dim_text(first) + " at byte 0), found " + std::to_string(rows.rows()) +
      " and " + std::to_string(odd_bytes) + " bytes at byte " +
      std::to_string(rows.input_.bytes - odd_bytes));
}

Status VecsRows::read(std::span<std::byte> out) {
  const size_t block_rows = std::max<size_t>(1, kBlockBytes / stride());
  while (!out.empty()) {
    const size_t bytes = std::min(out.size(), block_rows * row_bytes());
    ROX_RETURN_IF_ERROR(read_block(out.first(bytes)));
    out = out.subspan(bytes);
  }
  return Status::ok();
}

Status VecsRows::read_block(std::span<std::byte> out) {
  const size_t count = out.size() / row_bytes();
  const uint64_t offset = rows_done_ * stride();
  block_.resize(count * stride());
  ROX_RETURN_IF_ERROR(input_.read_exactly(offset, block_, "rows"));
  for (size_t i = 0; i < count; i++) {
    const std::span<const std::byte> row = std::span(block_).subspan(i * stride(), stride());
    if (base::load<uint32_t>(row.data()) != dim_) {
      return Status::invalid_argument(input_.name + ": row " + std::to_string(rows_done_ + i) +
                                      ": expected dimension " + std::to_string(dim_) + " at byte " +
                                      std::to_string(offset + i * stride()) +
                                      " as in the first row, found " + dim_text(row));
    }
    std::memcpy(out.data() + i * row_bytes(), row.data() + sizeof(uint32_t), row_bytes());
  }
  rows_done_ += count;
  return Status::ok();
}

ReaderResult open_vecs_reader(InputFile input, FileFormat format) {
  const ScalarType type = *scalar_type_of(format);
  ROX_ASSIGN_OR_RETURN(VecsRows rows, VecsRows::open(std::move(input), scalar_bytes(type)));
  return std::unique_ptr<VectorReader>(std::make_unique<VecsReader>(std::move(rows), type));
}

WriterResult open_vecs_writer(std::unique_ptr<OutputFile> output, const WriterOptions& options) {
  return std::unique_ptr<VectorWriter>(std::make_unique<VecsWriter>(std::move(output), options));
}

}  // namespace roxanne::eval
