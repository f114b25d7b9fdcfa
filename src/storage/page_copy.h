// Copies a page file while it is written to.
#pragma once

#include <string>

#include "roxanne/status.h"
#include "storage/file_copier.h"
#include "storage/page_store.h"

namespace roxanne::storage {

// Makes a page file at `path` with the pages of `snapshot`, which `from` gave, in order of their
// numbers, and one checkpoint that says `record`. Pages are checked on the way: kCorruption names
// the one that is damaged. Synced on return, the name after sync_directory.
Status copy_pages(const PageStore& from, const PageMap& snapshot, const CheckpointRecord& record,
                  const std::string& path, FileCopier& copier);

}  // namespace roxanne::storage
