// Rows on their way into groups, in a scratch file: each group's lie in pieces, read back together.
//
// Layout: pieces of records in the order in which they were full; a record is u64 tag, u32 slot,
// u32 zero, the row's bytes, in this machine's byte order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "roxanne/status.h"
#include "roxanne/types.h"
#include "storage/file_system.h"

namespace roxanne::index {

// Written by one thread; after finish(), read() may be called at once. The file goes with this
// object.
class GroupedRows {
 public:
  // Buffers of all groups take `buffer_bytes` together. `file_system` outlives this.
  static Result<std::unique_ptr<GroupedRows>> create(storage::FileSystem& file_system,
                                                     std::string path, size_t group_count,
                                                     size_t row_bytes, uint64_t buffer_bytes);
  GroupedRows(const GroupedRows&) = delete;
  GroupedRows& operator=(const GroupedRows&) = delete;
  ~GroupedRows();

  struct Row {
    const std::byte* bytes;
    uint32_t slot;
    uint64_t tag;
  };
  Status add(size_t group, const Row& row);
  // Nothing may be added afterwards.
  Status finish();

  // A group's rows in the order in which they were added.
  struct Rows {
    std::vector<std::byte> bytes;
    std::vector<uint32_t> slots;
    std::vector<uint64_t> tags;
  };
  Status read(size_t group, Rows& out) const;
  size_t count(size_t group) const { return groups_[group].count; }

 private:
  struct Piece {
    uint64_t offset;
    uint32_t count;
  };
  struct Group {
    std::vector<std::byte> pending;
    std::vector<Piece> pieces;
    size_t count = 0;
  };

  GroupedRows(storage::FileSystem& file_system, std::string path, size_t group_count,
              size_t row_bytes, uint64_t buffer_bytes);
  size_t record_bytes() const;
  Status flush(Group& group);

  storage::FileSystem& file_system_;
  const std::string path_;
  const size_t row_bytes_;
  size_t piece_records_;
  std::unique_ptr<storage::File> file_;
  uint64_t written_bytes_ = 0;
  std::vector<Group> groups_;
};

}  // namespace roxanne::index
