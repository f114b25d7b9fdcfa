// A read-only file in memory: what a fuzzer hands to a reader.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "base/status_macros.h"
#include "storage/file_system.h"

namespace roxanne::fuzz {

// Does not own the bytes.
class MemoryFile final : public storage::File {
 public:
  explicit MemoryFile(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  Result<size_t> read(uint64_t offset, std::span<std::byte> out) const override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t count = std::min<size_t>(out.size(), bytes_.size() - offset);
    if (count > 0) std::memcpy(out.data(), bytes_.data() + offset, count);
    return count;
  }
  Result<uint64_t> size() const override { return uint64_t{bytes_.size()}; }
  Result<uint64_t> allocated_bytes() const override { return uint64_t{bytes_.size()}; }

  Status write(uint64_t, std::span<const std::byte>) override { return read_only(); }
  Status sync() override { return read_only(); }
  Status truncate(uint64_t) override { return read_only(); }
  Status allocate(uint64_t, uint64_t) override { return read_only(); }
  Status punch_hole(uint64_t, uint64_t) override { return read_only(); }

 private:
  static Status read_only() { return Status::read_only("a fuzzer's file"); }
  std::span<const uint8_t> bytes_;
};

}  // namespace roxanne::fuzz
