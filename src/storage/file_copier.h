// Copies files as cheaply as the file system can, and counts what that came to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::storage {

// One thread at a time. What a failed call has made of a file stays.
class FileCopier {
 public:
  // `goes_on` is told all bytes that were brought over so far; false stops: kCancelled. May be
  // empty. `file_system` outlives the copier.
  using GoesOn = std::function<bool(uint64_t bytes)>;
  FileCopier(FileSystem& file_system, GoesOn goes_on)
      : file_system_(file_system), goes_on_(std::move(goes_on)) {}

  FileSystem& file_system() const { return file_system_; }

  // A file that nobody changes in place gets a second name; where it cannot, it is copied.
  Status link(const std::string& from, const std::string& to);
  // Shares blocks with `from`, a file of `bytes`, where the file system can; false where it cannot:
  // `to` is not there then. Synced on return.
  Result<bool> clone(const std::string& from, const std::string& to, uint64_t bytes);
  // The first `bytes` of a file, those it had at the call or fewer, which nobody changes meanwhile.
  // Synced on return. kDiskFull before anything is written where there is no room.
  Status copy(const std::string& from, const std::string& to, uint64_t bytes);
  // Makes a small file, synced.
  Status write(const std::string& to, std::string_view text);
  // kDiskFull where a file of `bytes` has no room in a folder.
  Status check_space(const std::string& folder, uint64_t bytes) const;
  // For what is written by others: counts it, and asks whether to go on.
  Status note_copied(uint64_t bytes);

  uint64_t bytes_copied() const { return bytes_copied_; }
  uint64_t bytes_shared() const { return bytes_shared_; }  // linked or cloned

 private:
  Status note_shared(uint64_t bytes);
  Status ask() const;

  FileSystem& file_system_;
  const GoesOn goes_on_;
  uint64_t bytes_copied_ = 0;
  uint64_t bytes_shared_ = 0;
};

// Removes a directory and all in it; fine where there is none.
Status remove_tree(FileSystem& file_system, const std::string& path);

}  // namespace roxanne::storage
