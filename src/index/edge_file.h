// The out-edges of every row of a build, in a scratch file.
//
// Layout: max_degree u32 for each dense number, in this machine's byte order since they do not
// outlive the process: dense numbers of neighbours, best first, then kNoEdge.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::index {

inline constexpr uint32_t kNoEdge = std::numeric_limits<uint32_t>::max();

// All calls may run at once, reads at once with writes of other ranges. The file goes with this
// object.
class EdgeFile {
 public:
  // Reserves all of the space: kDiskFull comes before the work. `file_system` outlives this.
  static Result<std::unique_ptr<EdgeFile>> create(storage::FileSystem& file_system,
                                                  std::string path, size_t count,
                                                  size_t max_degree);
  EdgeFile(const EdgeFile&) = delete;
  EdgeFile& operator=(const EdgeFile&) = delete;
  ~EdgeFile();

  size_t count() const { return count_; }
  size_t max_degree() const { return max_degree_; }

  // Lists of consecutive rows from `first`, max_degree() numbers each.
  Status write(size_t first, std::span<const uint32_t> lists);
  // What was written; ranges that were not are of no use.
  Status read(size_t first, std::span<uint32_t> lists) const;

 private:
  EdgeFile(storage::FileSystem& file_system, std::string path, size_t count, size_t max_degree)
      : file_system_(file_system), path_(std::move(path)), count_(count), max_degree_(max_degree) {}

  uint64_t offset_of(size_t row) const { return uint64_t{row} * max_degree_ * sizeof(uint32_t); }

  storage::FileSystem& file_system_;
  const std::string path_;
  const size_t count_;
  const size_t max_degree_;
  std::mutex write_mutex_;  // one write at a time
  std::unique_ptr<storage::File> file_;
};

}  // namespace roxanne::index
