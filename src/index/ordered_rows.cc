#include "index/ordered_rows.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/status_macros.h"
#include "index/scratch_record.h"

namespace roxanne::index {
namespace {

// What is written and read at a time: long enough for a disk's full speed.
constexpr size_t kTransferBytes = 1u << 20;

}  // namespace

OrderedRows::OrderedRows(storage::FileSystem& file_system, std::string path, ScalarType type,
                         size_t dim)
    : file_system_(file_system), path_(std::move(path)), type_(type), dim_(dim) {}

OrderedRows::~OrderedRows() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)file_system_.remove(path_);  // what stays is removed by the next open
}

Result<std::unique_ptr<OrderedRows>> OrderedRows::create(storage::FileSystem& file_system,
                                                         std::string path, ScalarType type,
                                                         size_t dim) {
  std::unique_ptr<OrderedRows> rows(new OrderedRows(file_system, std::move(path), type, dim));
  ROX_ASSIGN_OR_RETURN(rows->file_, file_system.open(rows->path_, storage::OpenMode::kCreate));
  return rows;
}

size_t OrderedRows::record_bytes() const { return sizeof(ScratchRecordHeader) + row_bytes(); }

Status OrderedRows::append(MatrixView rows, std::span<const uint32_t> slots,
                           std::span<const uint64_t> tags) {
  ROX_ASSERT(!is_finished_);
  ROX_ASSERT(rows.type() == type_);
  ROX_ASSERT(rows.dim() == dim_);
  ROX_ASSERT(slots.size() == rows.rows());
  ROX_ASSERT(tags.size() == rows.rows());
  ROX_CHECK(count_ + rows.rows() < std::numeric_limits<uint32_t>::max());
  for (size_t i = 0; i < rows.rows(); ++i) {
    append_scratch_record({tags[i], slots[i], 0}, rows.row(i), row_bytes(), pending_);
    if (pending_.size() >= kTransferBytes) ROX_RETURN_IF_ERROR(flush());
  }
  count_ += rows.rows();
  return Status::ok();
}

Status OrderedRows::flush() {
  ROX_RETURN_IF_ERROR(file_->write(written_bytes_, pending_));
  written_bytes_ += pending_.size();
  pending_.clear();
  return Status::ok();
}

Status OrderedRows::finish() {
  if (!pending_.empty()) ROX_RETURN_IF_ERROR(flush());
  pending_ = {};
  is_finished_ = true;
  return Status::ok();
}

template <typename Visit>
Status OrderedRows::read_records(size_t first, size_t count, const Visit& visit) const {
  ROX_ASSERT(is_finished_);
  ROX_ASSERT(first + count <= count_);
  const size_t stride = record_bytes();
  const size_t records_max = std::min(count, std::max<size_t>(1, kTransferBytes / stride));
  const auto records = std::make_unique_for_overwrite<std::byte[]>(records_max * stride);
  for (size_t done = 0; done < count;) {
    const size_t wanted = std::min(records_max, count - done);
    const std::span bytes(records.get(), wanted * stride);
    ROX_ASSIGN_OR_RETURN(const size_t got, file_->read((first + done) * stride, bytes));
    if (got != bytes.size()) return Status::io_error(path_ + ": shorter than what was written");
    for (size_t i = 0; i < wanted; ++i) visit(done + i, records.get() + i * stride);
    done += wanted;
  }
  return Status::ok();
}

Status OrderedRows::read(size_t first, size_t count, Block& out) const {
  out.type_ = type_;
  out.dim_ = dim_;
  out.rows_.resize(count * row_bytes());
  out.slots_.resize(count);
  out.tags_.resize(count);
  return read_records(first, count, [&](size_t i, const std::byte* record) {
    const ScratchRecordHeader header =
        load_scratch_record(record, row_bytes(), out.rows_.data() + i * row_bytes());
    out.slots_[i] = header.slot;
    out.tags_[i] = header.tag;
  });
}

Status OrderedRows::read_rows(size_t first, size_t count, std::byte* out) const {
  return read_records(first, count, [&](size_t i, const std::byte* record) {
    std::memcpy(out + i * row_bytes(), record + sizeof(ScratchRecordHeader), row_bytes());
  });
}

}  // namespace roxanne::index
