#include "storage/simulated_file.h"

#include "base/status_macros.h"

namespace roxanne::storage {

// The content of a dead file may be gone: nothing but this looks at it first.
Status SimulatedFile::check_alive() const {
  if (power_cycle_ == files_.power_cycles_) return Status::ok();
  return Status::io_error(path_ + ": was opened before a power cut");
}

Status SimulatedFile::check_writable() const {
  ROX_RETURN_IF_ERROR(check_alive());
  const bool is_writable = mode_ != OpenMode::kRead && mode_ != OpenMode::kReadDirect;
  return is_writable ? Status::ok() : Status::io_error(path_ + ": is open for reading only");
}

// As strict as the strictest disk, so that a test finds what a lax one lets pass.
Status SimulatedFile::check_alignment(const char* what, uint64_t offset,
                                      std::span<const std::byte> bytes) const {
  if (mode_ != OpenMode::kReadDirect && mode_ != OpenMode::kReadWriteDirect) return Status::ok();
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  if ((offset | bytes.size() | address) % SimulatedContent::kPageBytes == 0) return Status::ok();
  return Status::io_error(std::string(what) + " " + path_ + " at " + std::to_string(offset) +
                          ": not aligned for going past the page cache");
}

Result<size_t> SimulatedFile::read(uint64_t offset, std::span<std::byte> out) const {
  const std::lock_guard lock(files_.mutex_);
  ROX_RETURN_IF_ERROR(check_alive());
  auto admission = files_.admit(Operation::kRead, path_);
  if (!admission.status.is_ok()) return std::move(admission.status);
  ROX_RETURN_IF_ERROR(check_alignment("read", offset, out));
  return inode().content.read(offset, out);
}

Status SimulatedFile::write(uint64_t offset, std::span<const std::byte> bytes) {
  const std::lock_guard lock(files_.mutex_);
  ROX_RETURN_IF_ERROR(check_writable());
  ROX_RETURN_IF_ERROR(check_alignment("write", offset, bytes));
  auto admission = files_.admit(Operation::kWrite, path_);
  SimulatedContent& content = inode().content;
  if (admission.verdict == SimulatedFileSystem::Verdict::kCutShort) {
    content.write_torn(offset, bytes, files_.random_);
  }
  ROX_RETURN_IF_ERROR(admission.status);
  ROX_RETURN_IF_ERROR(files_.check_space(content, offset, bytes.size(), "write " + path_));
  content.write(offset, bytes);
  inode().modified_seconds = files_.now_seconds();
  return Status::ok();
}

Status SimulatedFile::sync() {
  const std::lock_guard lock(files_.mutex_);
  ROX_RETURN_IF_ERROR(check_alive());
  const bool had_power = !files_.has_crashed_;
  auto admission = files_.admit(Operation::kSync, path_);
  SimulatedContent& content = inode().content;
  switch (admission.verdict) {
    case SimulatedFileSystem::Verdict::kProceed:
      content.sync();
      break;
    case SimulatedFileSystem::Verdict::kCutShort:
      if (files_.random_.coin()) content.sync();
      break;
    case SimulatedFileSystem::Verdict::kFail:
      if (had_power) content.fail_sync();
      break;
  }
  return std::move(admission.status);
}

Status SimulatedFile::truncate(uint64_t size) {
  const std::lock_guard lock(files_.mutex_);
  ROX_RETURN_IF_ERROR(check_writable());
  return files_.change(Operation::kTruncate, path_, [&] {
    inode().content.truncate(size);
    inode().modified_seconds = files_.now_seconds();
    return Status::ok();
  });
}

Status SimulatedFile::allocate(uint64_t offset, uint64_t length) {
  const std::lock_guard lock(files_.mutex_);
  ROX_RETURN_IF_ERROR(check_writable());
  return files_.change(Operation::kAllocate, path_, [&]() -> Status {
    SimulatedContent& content = inode().content;
    ROX_RETURN_IF_ERROR(files_.check_space(content, offset, length, "range"));
    content.allocate(offset, length);
    return Status::ok();
  });
}

Status SimulatedFile::punch_hole(uint64_t offset, uint64_t length) {
  const std::lock_guard lock(files_.mutex_);
  ROX_RETURN_IF_ERROR(check_writable());
  return files_.change(Operation::kPunchHole, path_, [&] {
    inode().content.punch_hole(offset, length);
    return Status::ok();
  });
}

Result<uint64_t> SimulatedFile::size() const {
  const std::lock_guard lock(files_.mutex_);
  ROX_RETURN_IF_ERROR(check_alive());
  ROX_RETURN_IF_ERROR(files_.check_power("stat " + path_));
  return inode().content.size();
}

Result<uint64_t> SimulatedFile::allocated_bytes() const {
  const std::lock_guard lock(files_.mutex_);
  ROX_RETURN_IF_ERROR(check_alive());
  ROX_RETURN_IF_ERROR(files_.check_power("stat " + path_));
  return inode().content.allocated_bytes();
}

SimulatedFileLock::~SimulatedFileLock() {
  const std::lock_guard lock(files_.mutex_);
  if (power_cycle_ != files_.power_cycles_) return;
  SimulatedFileSystem::Holders& holders = files_.locks_[inode_];
  if (mode_ == LockMode::kExclusive) {
    holders.exclusive = false;
  } else {
    --holders.shared;
  }
}

}  // namespace roxanne::storage
