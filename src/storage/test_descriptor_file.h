// A file of which a test wants the descriptor alone: what it overrides is what it is asked for.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "storage/file_system.h"

namespace roxanne::storage {

class DescriptorFile : public File {
 public:
  // `flags`: of open(2).
  DescriptorFile(const std::string& path, int flags)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  DescriptorFile(const DescriptorFile&) = delete;
  DescriptorFile& operator=(const DescriptorFile&) = delete;
  ~DescriptorFile() override { ::close(descriptor_); }

  Result<size_t> read(uint64_t, std::span<std::byte>) const override { return size_t{0}; }
  Status write(uint64_t, std::span<const std::byte>) override { return Status::ok(); }
  Status sync() override { return Status::ok(); }
  Status truncate(uint64_t) override { return Status::ok(); }
  Status allocate(uint64_t, uint64_t) override { return Status::ok(); }
  Status punch_hole(uint64_t, uint64_t) override { return Status::ok(); }
  Result<uint64_t> size() const override { return uint64_t{0}; }
  Result<uint64_t> allocated_bytes() const override { return uint64_t{0}; }
  int descriptor() const override { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace roxanne::storage
