// A file of fixed-size rows in numbered slots, each with its own checksum.
//
// Layout (all numbers little-endian; docs/file_format.md):
//   page 0   RowFileHeader, zeros to 4096 bytes
//   block b  at 4096 + b * block_bytes; holds rows_per_block slots as four arrays:
//              tags       u64 each    (what the owner wants beside a row: its key)
//              norms      u32 each    (bits of the squared norm)
//              checksums  u32 each    (of tag, norm, row and slot)
//              rows       row_bytes each, from a 64-byte boundary
//            then zeros to a multiple of 4096.
// A slot is written only while nothing durable points at it, so a torn write can only hurt a slot
// that is free, and its neighbours' bytes are rewritten with what they were. Keeps D2.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::storage {

inline constexpr uint32_t kRowFileVersion = 1;

// Where things are in a block.
struct RowLayout {
  uint32_t row_bytes = 0;
  uint32_t rows_per_block = 0;  // a power of two, 64..2048
  size_t norms_offset = 0;
  size_t checksums_offset = 0;
  size_t rows_offset = 0;
  size_t block_bytes = 0;

  // Blocks of about 256 KiB: long enough to read at the disk's speed, short enough to stay in L2.
  static RowLayout for_row_bytes(uint32_t row_bytes);

  uint64_t block_of(uint32_t slot) const { return slot / rows_per_block; }
  size_t index_in_block(uint32_t slot) const { return slot % rows_per_block; }
  uint64_t block_offset(uint64_t block) const { return kHeaderBytes + block * block_bytes; }
  static constexpr size_t kHeaderBytes = 4096;
};

// A block's bytes, read in place.
class BlockView {
 public:
  BlockView(const RowLayout& layout, const std::byte* data) : layout_(&layout), data_(data) {}

  const uint64_t* tags() const { return reinterpret_cast<const uint64_t*>(data_); }
  const uint32_t* norms() const {
    return reinterpret_cast<const uint32_t*>(data_ + layout_->norms_offset);
  }
  const uint32_t* checksums() const {
    return reinterpret_cast<const uint32_t*>(data_ + layout_->checksums_offset);
  }
  const std::byte* rows() const { return data_ + layout_->rows_offset; }
  const std::byte* row(size_t i) const { return rows() + i * layout_->row_bytes; }

  // Whether row `i`, which is slot `slot`, is what was written.
  bool row_is_intact(size_t i, uint32_t slot) const;

 private:
  const RowLayout* layout_;
  const std::byte* data_;
};

// One row to write, or one that was read. The bytes are `row_bytes` long.
struct RowRef {
  uint32_t slot = 0;
  uint64_t tag = 0;
  uint32_t norm = 0;
  const std::byte* bytes = nullptr;
};

uint32_t row_checksum(const RowRef& row, size_t row_bytes);

// Puts a row into a block image in memory.
void store_row(const RowLayout& layout, const RowRef& row, std::byte* block);

// read calls may run at once with each other and with writes to other slots; writes one at a time.
class RowFile {
 public:
  // Makes the file with its header, synced. The name is durable after sync_directory.
  static Result<std::unique_ptr<RowFile>> create(FileSystem& file_system, const std::string& path,
                                                 uint32_t row_bytes);
  // kCorruption where the header is not what create() wrote for `row_bytes`.
  static Result<std::unique_ptr<RowFile>> open(FileSystem& file_system, const std::string& path,
                                               uint32_t row_bytes, bool read_only);

  const RowLayout& layout() const { return layout_; }
  const std::string& path() const { return path_; }

  // Slots that the file has whole blocks for.
  uint64_t slot_capacity() const { return reserved_blocks_ * layout_.rows_per_block; }

  uint64_t block_count() const { return reserved_blocks_; }
  uint64_t cut_count() const { return cut_count_; }  // since it was opened; from any thread

  // Makes room for slots below `slot_count` at the file's end, so that write() cannot run out of
  // space. kDiskFull.
  Status reserve(uint64_t slot_count);
  // The same for these slots, ascending, wherever they are: blocks may have been given back.
  Status reserve(std::span<const uint32_t> slots);
  // Makes it as long as another of its kind of so many bytes; what this adds takes up no disk.
  Status lengthen(uint64_t bytes);
  // Cuts the file behind the block of the last slot below `slot_count`.
  Status cut(uint64_t slot_count);
  // Gives the disk space of blocks back: rows in them read as damaged.
  Status punch(uint64_t first_block, uint64_t block_count);
  bool is_punched(uint64_t block) const { return space_of(block) == BlockSpace::kHole; }
  // Writes rows in ascending order of slot. Not durable until sync().
  Status write(std::span<const RowRef> rows);
  // A whole block as it is: rows that are not live may be anything. For copies.
  Status write_block(uint64_t block, std::span<const std::byte> bytes);
  // From any thread. Once it has failed it always does: the system tells of what it could not write
  // once, and whoever syncs next would take that for durable.
  Status sync();

  // One row, checked: fills `bytes` (row_bytes long) and returns it. kCorruption names the slot.
  Result<RowRef> read_row(uint32_t slot, std::span<std::byte> bytes) const;
  // A whole block, unchecked; what lies beyond the file's end reads as zeros.
  Status read_block(uint64_t block, std::span<std::byte> out) const;

  // For reads past the page cache: the file and where a block is in it.
  const File& direct_file() const { return *direct_; }
  Status damaged_row(uint32_t slot) const;

  Result<uint64_t> size() const { return file_->size(); }
  Result<uint64_t> allocated_bytes() const { return file_->allocated_bytes(); }

 private:
  RowFile(std::string path, RowLayout layout) : path_(std::move(path)), layout_(layout) {}
  // Whether a block takes up disk, as far as this process knows.
  enum class BlockSpace : uint8_t { kUnknown, kReserved, kHole };
  BlockSpace space_of(uint64_t block) const {
    return block < spaces_.size() ? spaces_[block] : BlockSpace::kUnknown;
  }
  void note_space(uint64_t first_block, uint64_t end_block, BlockSpace space);
  Status write_run(std::span<const RowRef> run);

  std::string path_;
  RowLayout layout_;
  std::unique_ptr<File> file_;
  std::unique_ptr<File> direct_;
  uint64_t reserved_blocks_ = 0;
  uint64_t first_blocks_ = 0;  // reserved_blocks_ when it was opened, or when it was cut below
  std::atomic<uint64_t> cut_count_{0};
  std::mutex sync_mutex_;
  Status sync_failure_;  // guarded by it
  std::vector<BlockSpace> spaces_;  // of blocks; those beyond it are unknown
};

}  // namespace roxanne::storage
