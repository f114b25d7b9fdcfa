// Copies a disk graph as a checkpoint left it, while it is changed.
#pragma once

#include <cstdint>
#include <memory>

#include "index/codes_keeper.h"
#include "index/disk_paths.h"
#include "roxanne/status.h"
#include "storage/file_copier.h"
#include "storage/page_store.h"

namespace roxanne::index {

// The files of one checkpoint: its pages, the file of codes and the part of its log that it names.
// They are there, unchanged, for as long as whoever changes the graph is told that others read it
// (DiskOpenOptions::is_unread_elsewhere), which has to be so before open() and until copy_to() has
// returned. Keeps D5.
class DiskCheckpoint {
 public:
  // The last one. Reads the map of its pages. `file_system` outlives it. kCorruption, kNotFound
  // where files are damaged or missing.
  static Result<std::unique_ptr<DiskCheckpoint>> open(storage::FileSystem& file_system,
                                                      const DiskPaths& paths);

  uint64_t bytes() const;  // that are to be copied

  // Only where no checkpoint was made since open(), and none is made meanwhile: shares the blocks
  // of the page file with `to`. False where the file system cannot.
  Result<bool> clone_pages(const DiskPaths& to, storage::FileCopier& copier) const;
  // Writes the pages to a new file, in order of their numbers, checked: kCorruption names the one
  // that is damaged.
  Status copy_pages(const DiskPaths& to, storage::FileCopier& copier) const;
  Status copy_codes(const DiskPaths& to, storage::FileCopier& copier) const;
  // All three calls make files that are synced on return, their names after sync_directory.

 private:
  DiskCheckpoint(storage::FileSystem& file_system, DiskPaths paths)
      : file_system_(file_system), paths_(std::move(paths)) {}

  storage::FileSystem& file_system_;
  const DiskPaths paths_;
  std::unique_ptr<storage::PageStore> pages_;  // open for reading only
  storage::PageSnapshot map_;
  CodesKeeper::Named codes_;
  uint64_t codes_bytes_ = 0;
};

}  // namespace roxanne::index
