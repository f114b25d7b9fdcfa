#include "index/disk_copy.h"

#include <utility>

#include "base/status_macros.h"
#include "storage/page_copy.h"

namespace roxanne::index {

Result<std::unique_ptr<DiskCheckpoint>> DiskCheckpoint::open(storage::FileSystem& file_system,
                                                             const DiskPaths& paths) {
  std::unique_ptr<DiskCheckpoint> opened(new DiskCheckpoint(file_system, paths));
  ROX_ASSIGN_OR_RETURN(opened->pages_,
                       storage::PageStore::open(file_system, paths.pages, {.read_only = true}));
  opened->map_ = opened->pages_->snapshot();
  const auto named = CodesKeeper::named_by(opened->pages_->last_checkpoint());
  if (!named.is_ok()) return named.status().with_context(paths.pages);
  opened->codes_ = *named;
  ROX_ASSIGN_OR_RETURN(opened->codes_bytes_,
                       file_system.file_size(paths.codes_of(named->generation)));
  return opened;
}

uint64_t DiskCheckpoint::bytes() const {
  return uint64_t{map_->used_page_count()} * pages_->page_bytes() + codes_bytes_ + codes_.log_bytes;
}

Result<bool> DiskCheckpoint::clone_pages(const DiskPaths& to, storage::FileCopier& copier) const {
  ROX_ASSIGN_OR_RETURN(const uint64_t bytes, pages_->file_bytes());
  return copier.clone(paths_.pages, to.pages, bytes);
}

Status DiskCheckpoint::copy_pages(const DiskPaths& to, storage::FileCopier& copier) const {
  return storage::copy_pages(*pages_, *map_, pages_->last_checkpoint(), to.pages, copier);
}

// A file of codes does not change once it is written, and its log grows behind what is named.
Status DiskCheckpoint::copy_codes(const DiskPaths& to, storage::FileCopier& copier) const {
  const std::string from = paths_.codes_of(codes_.generation);
  const std::string codes = to.codes_of(codes_.generation);
  ROX_ASSIGN_OR_RETURN(const bool cloned, copier.clone(from, codes, codes_bytes_));
  if (!cloned) ROX_RETURN_IF_ERROR(copier.copy(from, codes, codes_bytes_));
  if (codes_.log_bytes == 0) return Status::ok();
  return copier.copy(paths_.log_of(codes_.generation), to.log_of(codes_.generation),
                     codes_.log_bytes);
}

}  // namespace roxanne::index
