#include "index/grouped_rows.h"

#include <algorithm>

#include "base/status_macros.h"
#include "index/scratch_record.h"

namespace roxanne::index {
namespace {

// Shorter pieces cost a disk more than they bring; longer ones bring no more.
constexpr uint64_t kPieceBytesLeast = 4u << 10;
constexpr uint64_t kPieceBytesMost = 256u << 10;

}  // namespace

GroupedRows::GroupedRows(storage::FileSystem& file_system, std::string path, size_t group_count,
                         size_t row_bytes, uint64_t buffer_bytes)
    : file_system_(file_system),
      path_(std::move(path)),
      row_bytes_(row_bytes),
      groups_(group_count) {
  const uint64_t piece_bytes =
      std::clamp(buffer_bytes / group_count, kPieceBytesLeast, kPieceBytesMost);
  piece_records_ = std::max<size_t>(1, piece_bytes / record_bytes());
}

GroupedRows::~GroupedRows() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)file_system_.remove(path_);  // what stays is removed by the next open
}

Result<std::unique_ptr<GroupedRows>> GroupedRows::create(storage::FileSystem& file_system,
                                                         std::string path, size_t group_count,
                                                         size_t row_bytes, uint64_t buffer_bytes) {
  std::unique_ptr<GroupedRows> rows(
      new GroupedRows(file_system, std::move(path), group_count, row_bytes, buffer_bytes));
  ROX_ASSIGN_OR_RETURN(rows->file_, file_system.open(rows->path_, storage::OpenMode::kCreate));
  return rows;
}

size_t GroupedRows::record_bytes() const { return sizeof(ScratchRecordHeader) + row_bytes_; }

Status GroupedRows::add(size_t group_number, const Row& row) {
  Group& group = groups_[group_number];
  append_scratch_record({row.tag, row.slot, 0}, row.bytes, row_bytes_, group.pending);
  ++group.count;
  if (group.pending.size() < piece_records_ * record_bytes()) return Status::ok();
  return flush(group);
}

Status GroupedRows::flush(Group& group) {
  if (group.pending.empty()) return Status::ok();
  ROX_RETURN_IF_ERROR(file_->write(written_bytes_, group.pending));
  group.pieces.push_back(
      {written_bytes_, static_cast<uint32_t>(group.pending.size() / record_bytes())});
  written_bytes_ += group.pending.size();
  group.pending.clear();
  return Status::ok();
}

Status GroupedRows::finish() {
  for (Group& group : groups_) {
    ROX_RETURN_IF_ERROR(flush(group));
    std::vector<std::byte>().swap(group.pending);
  }
  return Status::ok();
}

Status GroupedRows::read(size_t group_number, Rows& out) const {
  const Group& group = groups_[group_number];
  out.bytes.resize(group.count * row_bytes_);
  out.slots.resize(group.count);
  out.tags.resize(group.count);
  std::vector<std::byte> buffer(piece_records_ * record_bytes());
  size_t row = 0;
  for (const Piece& piece : group.pieces) {
    const auto bytes = std::span(buffer).first(piece.count * record_bytes());
    ROX_ASSIGN_OR_RETURN(const size_t got, file_->read(piece.offset, bytes));
    if (got != bytes.size()) return Status::io_error(path_ + ": a scratch file was cut short");
    for (size_t i = 0; i < piece.count; ++i, ++row) {
      const ScratchRecordHeader header = load_scratch_record(
          buffer.data() + i * record_bytes(), row_bytes_, out.bytes.data() + row * row_bytes_);
      out.slots[row] = header.slot;
      out.tags[row] = header.tag;
    }
  }
  return Status::ok();
}

}  // namespace roxanne::index
