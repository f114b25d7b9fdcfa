// How a row lies in a build's scratch files, in this machine's byte order since they do not outlive
// the process: u64 tag, u32 slot, u32 zero, the row's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace roxanne::index {

struct ScratchRecordHeader {
  uint64_t tag;
  uint32_t slot;
  uint32_t zero;
};
static_assert(sizeof(ScratchRecordHeader) == 16);

inline void append_scratch_record(const ScratchRecordHeader& header, const std::byte* row,
                                  size_t row_bytes, std::vector<std::byte>& out) {
  const size_t at = out.size();
  out.resize(at + sizeof header + row_bytes);
  std::memcpy(out.data() + at, &header, sizeof header);
  std::memcpy(out.data() + at + sizeof header, row, row_bytes);
}

// Copies the row to `row`.
inline ScratchRecordHeader load_scratch_record(const std::byte* record, size_t row_bytes,
                                               std::byte* row) {
  ScratchRecordHeader header;
  std::memcpy(&header, record, sizeof header);
  std::memcpy(row, record + sizeof header, row_bytes);
  return header;
}

}  // namespace roxanne::index
