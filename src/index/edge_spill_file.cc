#include "index/edge_spill_file.h"

#include "base/status_macros.h"

namespace roxanne::index {

EdgeSpillFile::~EdgeSpillFile() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)file_system_.remove(path_);  // what stays is removed by the next open
}

bool EdgeSpillFile::append(size_t bucket, std::span<const uint64_t> edges) {
  std::lock_guard lock(mutex_);
  return keep(append_piece(bucket, edges));
}

Status EdgeSpillFile::append_piece(size_t bucket, std::span<const uint64_t> edges) {
  if (file_ == nullptr) {
    ROX_ASSIGN_OR_RETURN(file_, file_system_.open(path_, storage::OpenMode::kCreate));
  }
  ROX_RETURN_IF_ERROR(file_->write(end_, std::as_bytes(edges)));
  if (bucket >= pieces_.size()) pieces_.resize(bucket + 1);
  pieces_[bucket].push_back({end_, edges.size()});
  end_ += edges.size_bytes();
  return Status::ok();
}

bool EdgeSpillFile::read(size_t bucket, std::vector<uint64_t>& edges) {
  std::vector<Piece> pieces;
  {
    std::lock_guard lock(mutex_);
    if (bucket >= pieces_.size()) return true;
    pieces.swap(pieces_[bucket]);
  }
  const Status status = read_pieces(pieces, edges);
  std::lock_guard lock(mutex_);
  return keep(status);
}

Status EdgeSpillFile::read_pieces(const std::vector<Piece>& pieces, std::vector<uint64_t>& edges) {
  size_t size = edges.size();
  for (const Piece& piece : pieces) size += piece.count;
  size_t at = edges.size();
  edges.resize(size);
  for (const Piece& piece : pieces) {
    const auto bytes = std::as_writable_bytes(std::span(edges.data() + at, piece.count));
    ROX_ASSIGN_OR_RETURN(const size_t got, file_->read(piece.offset, bytes));
    if (got != bytes.size()) return Status::io_error(path_ + ": shorter than what was written");
    at += piece.count;
  }
  return Status::ok();
}

bool EdgeSpillFile::keep(const Status& status) {
  if (status_.is_ok()) status_ = status;
  return status.is_ok();
}

Status EdgeSpillFile::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace roxanne::index
