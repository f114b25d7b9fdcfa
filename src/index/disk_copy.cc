#include "index/disk_copy.h"

#include "base/status_macros.h"
#include "storage/page_copy.h"

namespace roxanne::index {

Status copy_disk_index(const DiskIndex& index, const std::string& codes_path, const DiskPaths& to,
                       storage::FileCopier& copier) {
  const storage::PageStore& pages = index.pages();
  const storage::PageSnapshot snapshot = pages.snapshot();
  ROX_ASSIGN_OR_RETURN(const uint64_t codes_bytes, copier.file_system().file_size(codes_path));
  ROX_RETURN_IF_ERROR(
      storage::copy_pages(pages, *snapshot, pages.last_checkpoint(), to.pages, copier));
  return copier.copy(codes_path, to.codes, codes_bytes);
}

}  // namespace roxanne::index
