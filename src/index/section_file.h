// What the files of graphs have in common: a header page, then sections, each at the next multiple
// of 4096 and with a checksum that is seeded with its number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/checksum.h"
#include "base/status_macros.h"
#include "storage/file_system.h"

namespace roxanne::index {

// Where sections lie. Sizes are filled in first, then place() finds the rest.
template <size_t kCount>
struct SectionLayout {
  std::array<uint64_t, kCount> offsets;
  std::array<uint64_t, kCount> sizes;
  uint64_t file_bytes;  // up to the last byte of the last section

  void place() {
    uint64_t at = base::kPageBytes;
    for (size_t s = 0; s < kCount; ++s) {
      offsets[s] = at;
      at += (sizes[s] + base::kPageBytes - 1) / base::kPageBytes * base::kPageBytes;
    }
    file_bytes = offsets[kCount - 1] + sizes[kCount - 1];
  }
};

// Seeded with its place, so that exchanged pieces are found out.
inline uint64_t piece_checksum(std::span<const std::byte> bytes, uint64_t place) {
  return base::checksum64(bytes.data(), bytes.size(), place);
}

template <typename T>
std::span<const std::byte> bytes_of_vector(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

// kCorruption where the file ends before `out` is full.
inline Status read_exactly(const storage::File& file, const std::string& path, uint64_t offset,
                           std::span<std::byte> out) {
  ROX_ASSIGN_OR_RETURN(const size_t got, file.read(offset, out));
  if (got == out.size()) return Status::ok();
  return Status::corruption(path + ": ends at byte " + std::to_string(offset + got) +
                            ", more is expected");
}

}  // namespace roxanne::index
