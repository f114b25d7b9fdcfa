#include "index/edge_file.h"

#include "base/status_macros.h"

namespace roxanne::index {

EdgeFile::~EdgeFile() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)file_system_.remove(path_);  // what stays is removed by the next open
}

Result<std::unique_ptr<EdgeFile>> EdgeFile::create(storage::FileSystem& file_system,
                                                   std::string path, size_t count,
                                                   size_t max_degree) {
  std::unique_ptr<EdgeFile> edges(new EdgeFile(file_system, std::move(path), count, max_degree));
  ROX_ASSIGN_OR_RETURN(edges->file_, file_system.open(edges->path_, storage::OpenMode::kCreate));
  if (count > 0) ROX_RETURN_IF_ERROR(edges->file_->allocate(0, edges->offset_of(count)));
  return edges;
}

Status EdgeFile::write(size_t first, std::span<const uint32_t> lists) {
  ROX_ASSERT(lists.size() % max_degree_ == 0);
  ROX_ASSERT(first + lists.size() / max_degree_ <= count_);
  std::lock_guard lock(write_mutex_);
  return file_->write(offset_of(first), std::as_bytes(lists));
}

Status EdgeFile::read(size_t first, std::span<uint32_t> lists) const {
  ROX_ASSERT(lists.size() % max_degree_ == 0);
  ROX_ASSERT(first + lists.size() / max_degree_ <= count_);
  const auto bytes = std::as_writable_bytes(lists);
  ROX_ASSIGN_OR_RETURN(const size_t got, file_->read(offset_of(first), bytes));
  if (got != bytes.size()) return Status::io_error(path_ + ": shorter than what was reserved");
  return Status::ok();
}

}  // namespace roxanne::index
