// Copies a disk graph while it serves.
#pragma once

#include <string>

#include "index/disk_index.h"
#include "roxanne/status.h"
#include "storage/file_copier.h"

namespace roxanne::index {

// Makes the files of `to`: pages as the newest version of them is at the call, written in order,
// with a checkpoint record as that of `index`; and a copy of `codes_path`, the codes that belong to
// them. Synced on return, names after sync_directory. kCorruption names a page that is damaged.
Status copy_disk_index(const DiskIndex& index, const std::string& codes_path, const DiskPaths& to,
                       storage::FileCopier& copier);

}  // namespace roxanne::index
