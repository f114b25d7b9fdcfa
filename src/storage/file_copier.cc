#include "storage/file_copier.h"

#include <algorithm>
#include <vector>

#include "base/status_macros.h"

namespace roxanne::storage {
namespace {

constexpr uint64_t kCopyBytes = 1u << 20;  // at a time

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

Status FileCopier::ask() const {
  if (!goes_on_ || goes_on_(bytes_copied_ + bytes_shared_)) return Status::ok();
  return Status::cancelled("stopped on request");
}

Status FileCopier::note_copied(uint64_t bytes) {
  bytes_copied_ += bytes;
  return ask();
}

Status FileCopier::note_shared(uint64_t bytes) {
  bytes_shared_ += bytes;
  return ask();
}

Status FileCopier::link(const std::string& from, const std::string& to) {
  ROX_ASSIGN_OR_RETURN(const uint64_t bytes, file_system_.file_size(from));
  // Another file system, or one without links: which it is does not matter.
  if (file_system_.link(from, to).is_ok()) return note_shared(bytes);
  ROX_ASSIGN_OR_RETURN(const bool cloned, clone(from, to, bytes));
  return cloned ? Status::ok() : copy(from, to, bytes);
}

Result<bool> FileCopier::clone(const std::string& from, const std::string& to, uint64_t bytes) {
  ROX_ASSIGN_OR_RETURN(const bool cloned, file_system_.clone_file(from, to));
  if (!cloned) return false;
  ROX_ASSIGN_OR_RETURN(const auto file, file_system_.open(to, OpenMode::kReadWrite));
  ROX_RETURN_IF_ERROR(file->sync());
  ROX_RETURN_IF_ERROR(note_shared(bytes));
  return true;
}

Status FileCopier::check_space(const std::string& folder, uint64_t bytes) const {
  ROX_ASSIGN_OR_RETURN(const uint64_t free, file_system_.free_bytes(folder));
  if (free >= bytes) return Status::ok();
  return Status::disk_full(folder + ": " + std::to_string(free) +
                           " bytes are free, a file to be copied there has " +
                           std::to_string(bytes));
}

Status FileCopier::copy(const std::string& from, const std::string& to, uint64_t bytes) {
  ROX_ASSIGN_OR_RETURN(const auto source, file_system_.open(from, OpenMode::kRead));
  ROX_RETURN_IF_ERROR(check_space(parent_of(to), bytes));
  ROX_ASSIGN_OR_RETURN(const auto target, file_system_.open(to, OpenMode::kCreate));
  std::vector<std::byte> buffer(std::min(bytes, kCopyBytes));
  uint64_t offset = 0;
  while (offset < bytes) {
    const std::span<std::byte> wanted(buffer.data(), std::min(bytes - offset, kCopyBytes));
    ROX_ASSIGN_OR_RETURN(const size_t got, source->read(offset, wanted));
    if (got == 0) break;
    // Holes stay holes.
    if (!is_zero(wanted.first(got))) ROX_RETURN_IF_ERROR(target->write(offset, wanted.first(got)));
    offset += got;
    ROX_RETURN_IF_ERROR(note_copied(got));
  }
  ROX_RETURN_IF_ERROR(target->truncate(offset));
  return target->sync();
}

Status FileCopier::write(const std::string& to, std::string_view text) {
  ROX_ASSIGN_OR_RETURN(const auto file, file_system_.open(to, OpenMode::kCreate));
  ROX_RETURN_IF_ERROR(file->write(0, std::as_bytes(std::span(text.data(), text.size()))));
  ROX_RETURN_IF_ERROR(file->sync());
  return note_copied(text.size());
}

Status remove_tree(FileSystem& file_system, const std::string& path) {
  ROX_ASSIGN_OR_RETURN(const bool there, file_system.exists(path));
  if (!there) return Status::ok();
  ROX_ASSIGN_OR_RETURN(const auto names, file_system.list(path));
  for (const std::string& name : names) {
    const std::string inside = path + "/" + name;
    ROX_ASSIGN_OR_RETURN(const bool is_directory, file_system.is_directory(inside));
    ROX_RETURN_IF_ERROR(is_directory ? remove_tree(file_system, inside)
                                     : file_system.remove(inside));
  }
  return file_system.remove_directory(path);
}

}  // namespace roxanne::storage
