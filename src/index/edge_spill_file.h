// Candidate edges of a build that do not fit memory, in a file.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "graph/candidate_edges.h"
#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::index {

// The file is made when the first edges come, and removed with this.
class EdgeSpillFile final : public graph::EdgeSpill {
 public:
  EdgeSpillFile(storage::FileSystem& file_system, std::string path)
      : file_system_(file_system), path_(std::move(path)) {}
  ~EdgeSpillFile() override;

  bool append(size_t bucket, std::span<const uint64_t> edges) override;
  bool read(size_t bucket, std::vector<uint64_t>& edges) override;

  // Why append() or read() said no.
  Status status() const;
  uint64_t bytes_written() const { return end_; }

 private:
  struct Piece {
    uint64_t offset;
    size_t count;
  };
  Status append_piece(size_t bucket, std::span<const uint64_t> edges);
  Status read_pieces(const std::vector<Piece>& pieces, std::vector<uint64_t>& edges);
  bool keep(const Status& status);

  storage::FileSystem& file_system_;
  const std::string path_;
  mutable std::mutex mutex_;  // guards all that follows
  std::unique_ptr<storage::File> file_;
  std::vector<std::vector<Piece>> pieces_;  // one list a bucket
  uint64_t end_ = 0;
  Status status_;
};

}  // namespace roxanne::index
