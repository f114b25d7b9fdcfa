// Vectors of a file in the order of the file, read when they are wanted: a benchmark that held them
// would be measured along with the engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "roxanne/types.h"

namespace roxanne::bench {

[[noreturn]] void die(const std::string& message);

// The *bin formats: int32 rows, int32 dim, then the rows. Reads may run at once.
class VectorFile {
 public:
  explicit VectorFile(const std::string& path, uint64_t limit = 0);  // 0: all rows
  ~VectorFile();
  VectorFile(const VectorFile&) = delete;
  VectorFile& operator=(const VectorFile&) = delete;

  uint64_t rows() const { return rows_; }
  size_t dim() const { return dim_; }
  ScalarType type() const { return type_; }
  size_t row_bytes() const { return dim_ * scalar_bytes(type_); }
  void read(uint64_t first, size_t count, std::byte* out) const;

 private:
  std::string path_;
  int file_ = -1;
  uint64_t rows_ = 0;
  size_t dim_ = 0;
  ScalarType type_ = ScalarType::kU8;
};

// For each row the number of its cluster, one of kClusterCount, counted from a corner of the space:
// clusters are numbered by the distance of their centroids from the first one.
constexpr size_t kClusterCount = 64;
std::vector<uint8_t> cluster_rows(const VectorFile& file);

}  // namespace roxanne::bench
