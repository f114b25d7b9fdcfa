#include "storage/row_file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/checksum.h"
#include "base/coding.h"
#include "base/status_macros.h"

namespace roxanne::storage {
namespace {

constexpr uint64_t kMagic = 0x31544345'56584f52;  // "ROXVECT1" read as a little-endian u64
constexpr size_t kTargetBlockBytes = 256 * 1024;
constexpr uint32_t kRowsPerBlockMin = 64;  // one word of a live bitmap
constexpr uint32_t kRowsPerBlockMax = 2048;
// Blocks reserved beyond those needed, at the most: one call to the file system for many small
// writes.
constexpr uint64_t kReserveBytes = 4u << 20;

struct RowFileHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t row_bytes;
  uint32_t rows_per_block;
  uint32_t zero;
};

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Page 0: the header, zeros, and in its last 8 bytes the checksum of all before.
base::AlignedBuffer make_header_page(const RowLayout& layout) {
  base::AlignedBuffer page(RowLayout::kHeaderBytes);
  const RowFileHeader header{kMagic, kRowFileVersion, layout.row_bytes, layout.rows_per_block, 0};
  std::memcpy(page.data(), &header, sizeof header);
  const uint64_t checksum = base::checksum64(page.data(), page.size() - sizeof(uint64_t));
  std::memcpy(page.data() + page.size() - sizeof checksum, &checksum, sizeof checksum);
  return page;
}

Status check_header_page(const std::string& path, const RowLayout& layout,
                         std::span<const std::byte> page) {
  const auto header = base::load<RowFileHeader>(page.data());
  const size_t body = page.size() - sizeof(uint64_t);
  if (header.magic != kMagic) {
    return Status::corruption(path + ": offset 0: not a Roxanne vectors file");
  }
  if (base::load<uint64_t>(page.data() + body) != base::checksum64(page.data(), body)) {
    return Status::corruption(path + ": offset 0: header checksum mismatch");
  }
  if (header.version != kRowFileVersion) {
    return Status::unsupported(path + ": file version " + std::to_string(header.version) +
                               "; this build reads version " + std::to_string(kRowFileVersion));
  }
  if (header.row_bytes != layout.row_bytes || header.rows_per_block != layout.rows_per_block) {
    return Status::corruption(path + ": offset 12: rows of " + std::to_string(header.row_bytes) +
                              " bytes, expected " + std::to_string(layout.row_bytes));
  }
  return Status::ok();
}

}  // namespace

RowLayout RowLayout::for_row_bytes(uint32_t row_bytes) {
  RowLayout layout;
  layout.row_bytes = row_bytes;
  const uint64_t fitting = std::bit_floor(std::max<uint64_t>(1, kTargetBlockBytes / row_bytes));
  layout.rows_per_block =
      static_cast<uint32_t>(std::clamp<uint64_t>(fitting, kRowsPerBlockMin, kRowsPerBlockMax));
  layout.norms_offset = sizeof(uint64_t) * layout.rows_per_block;
  layout.checksums_offset = layout.norms_offset + sizeof(uint32_t) * layout.rows_per_block;
  layout.rows_offset = layout.checksums_offset + sizeof(uint32_t) * layout.rows_per_block;
  layout.block_bytes =
      round_up(layout.rows_offset + static_cast<size_t>(row_bytes) * layout.rows_per_block, 4096);
  return layout;
}

uint32_t row_checksum(const RowRef& row, size_t row_bytes) {
  // The place and the fields beside the row go into the seed.
  const uint64_t fields[2] = {row.tag, (uint64_t{row.norm} << 32) | row.slot};
  return base::checksum32(row.bytes, row_bytes, base::checksum64(fields, sizeof fields));
}

bool BlockView::row_is_intact(size_t i, uint32_t slot) const {
  return row_checksum({slot, tags()[i], norms()[i], row(i)}, layout_->row_bytes) == checksums()[i];
}

void store_row(const RowLayout& layout, const RowRef& row, std::byte* block) {
  const size_t i = layout.index_in_block(row.slot);
  const uint32_t checksum = row_checksum(row, layout.row_bytes);
  std::memcpy(block + i * sizeof row.tag, &row.tag, sizeof row.tag);
  std::memcpy(block + layout.norms_offset + i * sizeof row.norm, &row.norm, sizeof row.norm);
  std::memcpy(block + layout.checksums_offset + i * sizeof checksum, &checksum, sizeof checksum);
  std::memcpy(block + layout.rows_offset + i * layout.row_bytes, row.bytes, layout.row_bytes);
}

Result<std::unique_ptr<RowFile>> RowFile::create(FileSystem& file_system, const std::string& path,
                                                 uint32_t row_bytes) {
  const RowLayout layout = RowLayout::for_row_bytes(row_bytes);
  std::unique_ptr<RowFile> result(new RowFile(path, layout));
  ROX_ASSIGN_OR_RETURN(result->file_, file_system.open(path, OpenMode::kCreate));
  const base::AlignedBuffer page = make_header_page(layout);
  ROX_RETURN_IF_ERROR(result->file_->write(0, page.span()));
  ROX_RETURN_IF_ERROR(result->file_->sync());
  ROX_ASSIGN_OR_RETURN(result->direct_, file_system.open(path, OpenMode::kReadDirect));
  return result;
}

Result<std::unique_ptr<RowFile>> RowFile::open(FileSystem& file_system, const std::string& path,
                                               uint32_t row_bytes, bool read_only) {
  const RowLayout layout = RowLayout::for_row_bytes(row_bytes);
  std::unique_ptr<RowFile> result(new RowFile(path, layout));
  ROX_ASSIGN_OR_RETURN(bool there, file_system.exists(path));
  if (!there) return Status::corruption(path + ": the vectors file is missing");
  ROX_ASSIGN_OR_RETURN(result->file_,
                       file_system.open(path, read_only ? OpenMode::kRead : OpenMode::kReadWrite));
  base::AlignedBuffer page(RowLayout::kHeaderBytes);
  ROX_ASSIGN_OR_RETURN(size_t got, result->file_->read(0, page.span()));
  if (got < page.size()) {
    return Status::corruption(path + ": " + std::to_string(got) +
                              " bytes long, shorter than its header of 4096");
  }
  ROX_RETURN_IF_ERROR(check_header_page(path, layout, page.span()));
  ROX_ASSIGN_OR_RETURN(result->direct_, file_system.open(path, OpenMode::kReadDirect));
  ROX_ASSIGN_OR_RETURN(uint64_t size, result->file_->size());
  result->reserved_blocks_ =
      (size - RowLayout::kHeaderBytes + layout.block_bytes - 1) / layout.block_bytes;
  result->first_blocks_ = result->reserved_blocks_;
  return result;
}

Status RowFile::reserve(uint64_t slot_count) {
  const uint64_t blocks = (slot_count + layout_.rows_per_block - 1) / layout_.rows_per_block;
  if (blocks <= reserved_blocks_) return Status::ok();
  // As many more as came since the file was opened: who opens it to write a little, and is killed,
  // leaves little behind that the next one takes for used.
  const uint64_t came = reserved_blocks_ - std::min(reserved_blocks_, first_blocks_);
  uint64_t target = blocks + std::min(came, kReserveBytes / layout_.block_bytes);
  const uint64_t from = layout_.block_offset(reserved_blocks_);
  Status status = file_->allocate(from, layout_.block_offset(target) - from);
  if (!status.is_ok() && target > blocks) {
    target = blocks;
    status = file_->allocate(from, layout_.block_offset(target) - from);
  }
  ROX_RETURN_IF_ERROR(status);
  note_space(reserved_blocks_, target, BlockSpace::kReserved);
  reserved_blocks_ = target;
  return Status::ok();
}

Status RowFile::reserve(std::span<const uint32_t> slots) {
  if (slots.empty()) return Status::ok();
  ROX_RETURN_IF_ERROR(reserve(uint64_t{slots.back()} + 1));
  for (const uint32_t slot : slots) {
    const uint64_t block = layout_.block_of(slot);
    if (space_of(block) == BlockSpace::kReserved) continue;
    ROX_RETURN_IF_ERROR(file_->allocate(layout_.block_offset(block), layout_.block_bytes));
    note_space(block, block + 1, BlockSpace::kReserved);
  }
  return Status::ok();
}

void RowFile::note_space(uint64_t first_block, uint64_t end_block, BlockSpace space) {
  if (spaces_.size() < end_block) spaces_.resize(end_block, BlockSpace::kUnknown);
  std::fill(spaces_.begin() + static_cast<ptrdiff_t>(first_block),
            spaces_.begin() + static_cast<ptrdiff_t>(end_block), space);
}

Status RowFile::lengthen(uint64_t bytes) {
  if (bytes <= RowLayout::kHeaderBytes) return Status::ok();
  const uint64_t blocks =
      (bytes - RowLayout::kHeaderBytes + layout_.block_bytes - 1) / layout_.block_bytes;
  if (blocks <= reserved_blocks_) return Status::ok();
  ROX_RETURN_IF_ERROR(file_->truncate(layout_.block_offset(blocks)));
  note_space(reserved_blocks_, blocks, BlockSpace::kHole);
  reserved_blocks_ = blocks;
  return Status::ok();
}

Status RowFile::cut(uint64_t slot_count) {
  const uint64_t blocks = (slot_count + layout_.rows_per_block - 1) / layout_.rows_per_block;
  if (blocks >= reserved_blocks_) return Status::ok();
  ROX_RETURN_IF_ERROR(file_->truncate(layout_.block_offset(blocks)));
  ++cut_count_;
  reserved_blocks_ = blocks;
  first_blocks_ = std::min(first_blocks_, blocks);
  spaces_.resize(std::min<size_t>(spaces_.size(), blocks));
  return Status::ok();
}

Status RowFile::punch(uint64_t first_block, uint64_t block_count) {
  ROX_RETURN_IF_ERROR(
      file_->punch_hole(layout_.block_offset(first_block), block_count * layout_.block_bytes));
  note_space(first_block, first_block + block_count, BlockSpace::kHole);
  return Status::ok();
}

Status RowFile::write(std::span<const RowRef> rows) {
  // Runs of neighbouring slots in one block go out in four writes.
  size_t begin = 0;
  for (size_t i = 1; i <= rows.size(); ++i) {
    const bool run_ends = i == rows.size() || rows[i].slot != rows[i - 1].slot + 1 ||
                          layout_.index_in_block(rows[i].slot) == 0;
    if (!run_ends) continue;
    ROX_RETURN_IF_ERROR(write_run(rows.subspan(begin, i - begin)));
    begin = i;
  }
  return Status::ok();
}

Status RowFile::write_run(std::span<const RowRef> run) {
  std::vector<uint64_t> tags;
  std::vector<uint32_t> norms;
  std::vector<uint32_t> checksums;
  std::vector<std::byte> bytes;
  for (const RowRef& row : run) {
    tags.push_back(row.tag);
    norms.push_back(row.norm);
    checksums.push_back(row_checksum(row, layout_.row_bytes));
    bytes.insert(bytes.end(), row.bytes, row.bytes + layout_.row_bytes);
  }
  const uint64_t block = layout_.block_offset(layout_.block_of(run[0].slot));
  const size_t first = layout_.index_in_block(run[0].slot);
  ROX_RETURN_IF_ERROR(
      file_->write(block + first * sizeof(uint64_t), std::as_bytes(std::span(tags))));
  ROX_RETURN_IF_ERROR(file_->write(block + layout_.norms_offset + first * sizeof(uint32_t),
                                   std::as_bytes(std::span(norms))));
  ROX_RETURN_IF_ERROR(file_->write(block + layout_.checksums_offset + first * sizeof(uint32_t),
                                   std::as_bytes(std::span(checksums))));
  return file_->write(block + layout_.rows_offset + first * layout_.row_bytes, bytes);
}

Status RowFile::write_block(uint64_t block, std::span<const std::byte> bytes) {
  ROX_CHECK(bytes.size() == layout_.block_bytes);
  ROX_RETURN_IF_ERROR(file_->write(layout_.block_offset(block), bytes));
  reserved_blocks_ = std::max(reserved_blocks_, block + 1);
  return Status::ok();
}

Status RowFile::sync() {
  const std::lock_guard lock(sync_mutex_);
  if (sync_failure_.is_ok()) sync_failure_ = file_->sync();
  return sync_failure_;
}

Result<RowRef> RowFile::read_row(uint32_t slot, std::span<std::byte> bytes) const {
  const uint64_t block = layout_.block_offset(layout_.block_of(slot));
  const size_t i = layout_.index_in_block(slot);
  RowRef row{slot, 0, 0, bytes.data()};
  uint32_t checksum = 0;
  struct Part {
    uint64_t offset;
    std::span<std::byte> out;
  };
  const Part parts[] = {
      {block + i * sizeof row.tag, std::as_writable_bytes(std::span(&row.tag, 1))},
      {block + layout_.norms_offset + i * sizeof row.norm,
       std::as_writable_bytes(std::span(&row.norm, 1))},
      {block + layout_.checksums_offset + i * sizeof checksum,
       std::as_writable_bytes(std::span(&checksum, 1))},
      {block + layout_.rows_offset + i * layout_.row_bytes, bytes},
  };
  for (const Part& part : parts) {
    ROX_ASSIGN_OR_RETURN(size_t got, file_->read(part.offset, part.out));
    if (got != part.out.size()) return damaged_row(slot);
  }
  if (row_checksum(row, layout_.row_bytes) != checksum) return damaged_row(slot);
  return row;
}

Status RowFile::read_block(uint64_t block, std::span<std::byte> out) const {
  ROX_CHECK(out.size() == layout_.block_bytes);
  ROX_ASSIGN_OR_RETURN(size_t got, file_->read(layout_.block_offset(block), out));
  std::memset(out.data() + got, 0, out.size() - got);
  return Status::ok();
}

Status RowFile::damaged_row(uint32_t slot) const {
  const uint64_t offset = layout_.block_offset(layout_.block_of(slot)) + layout_.rows_offset +
                          layout_.index_in_block(slot) * layout_.row_bytes;
  return Status::corruption(path_ + ": slot " + std::to_string(slot) + " at offset " +
                            std::to_string(offset) + ": checksum mismatch");
}

}  // namespace roxanne::storage
