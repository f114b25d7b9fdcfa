// Rows in the order of their cells, in a scratch file: what edges and blocks on disk are made from.
//
// Layout: fixed-size records by dense number, in this machine's byte order since they do not
// outlive the process: u64 tag, u32 slot, u32 zero, the row's bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "roxanne/status.h"
#include "roxanne/types.h"
#include "storage/file_system.h"

namespace roxanne::index {

// Written by one thread; after finish(), read() and read_rows() may be called at once. The file
// goes with this object.
class OrderedRows {
 public:
  // `file_system` outlives this.
  static Result<std::unique_ptr<OrderedRows>> create(storage::FileSystem& file_system,
                                                     std::string path, ScalarType type, size_t dim);
  OrderedRows(const OrderedRows&) = delete;
  OrderedRows& operator=(const OrderedRows&) = delete;
  ~OrderedRows();

  // A slot and a tag for each row. The first row's dense number is count().
  Status append(MatrixView rows, std::span<const uint32_t> slots, std::span<const uint64_t> tags);
  // Nothing may be appended afterwards. Nothing is synced.
  Status finish();

  size_t count() const { return count_; }
  ScalarType type() const { return type_; }
  size_t dim() const { return dim_; }
  size_t row_bytes() const { return dim_ * scalar_bytes(type_); }
  storage::FileSystem& file_system() const { return file_system_; }

  // Some consecutive rows; filled again and again, its memory only grows.
  class Block {
   public:
    MatrixView rows() const { return {type_, rows_.data(), slots_.size(), dim_}; }
    std::span<const uint32_t> slots() const { return slots_; }
    std::span<const uint64_t> tags() const { return tags_; }

   private:
    friend class OrderedRows;
    ScalarType type_ = ScalarType::kF32;
    size_t dim_ = 0;
    std::vector<std::byte> rows_;
    std::vector<uint32_t> slots_;
    std::vector<uint64_t> tags_;
  };
  // first + count <= count().
  Status read(size_t first, size_t count, Block& out) const;
  // The rows alone, count * row_bytes() bytes.
  Status read_rows(size_t first, size_t count, std::byte* out) const;

 private:
  OrderedRows(storage::FileSystem& file_system, std::string path, ScalarType type, size_t dim);

  size_t record_bytes() const;
  Status flush();
  // Calls visit(i, record) for records first + i.
  template <typename Visit>
  Status read_records(size_t first, size_t count, const Visit& visit) const;

  storage::FileSystem& file_system_;
  const std::string path_;
  const ScalarType type_;
  const size_t dim_;
  std::unique_ptr<storage::File> file_;
  std::vector<std::byte> pending_;  // whole records that are not yet in the file
  uint64_t written_bytes_ = 0;
  size_t count_ = 0;
  bool is_finished_ = false;
};

}  // namespace roxanne::index
