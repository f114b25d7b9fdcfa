// Open files and locks of a SimulatedFileSystem. Only simulated_*.cc includes this.
#pragma once

#include <string>
#include <utility>

#include "storage/simulated_file_system.h"

namespace roxanne::storage {

class SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedFileSystem& files, InodeId inode, uint64_t power_cycle, std::string path,
                OpenMode mode)
      : files_(files),
        inode_(inode),
        power_cycle_(power_cycle),
        path_(std::move(path)),
        mode_(mode) {}

  Result<size_t> read(uint64_t offset, std::span<std::byte> out) const override;
  Status write(uint64_t offset, std::span<const std::byte> bytes) override;
  Status sync() override;
  Status truncate(uint64_t size) override;
  Status allocate(uint64_t offset, uint64_t length) override;
  Status punch_hole(uint64_t offset, uint64_t length) override;
  Result<uint64_t> size() const override;
  Result<uint64_t> allocated_bytes() const override;

 private:
  // Both need the file system's mutex.
  Status check_alive() const;
  Status check_writable() const;
  Status check_alignment(const char* what, uint64_t offset, std::span<const std::byte> bytes) const;
  SimulatedFileSystem::Inode& inode() const { return files_.inodes_.at(inode_); }

  SimulatedFileSystem& files_;
  const InodeId inode_;
  const uint64_t power_cycle_;
  const std::string path_;
  const OpenMode mode_;
};

class SimulatedFileLock final : public FileLock {
 public:
  SimulatedFileLock(SimulatedFileSystem& files, InodeId inode, uint64_t power_cycle, LockMode mode)
      : files_(files), inode_(inode), power_cycle_(power_cycle), mode_(mode) {}
  ~SimulatedFileLock() override;

 private:
  SimulatedFileSystem& files_;
  const InodeId inode_;
  const uint64_t power_cycle_;
  const LockMode mode_;
};

}  // namespace roxanne::storage
