// The few nearest of many rows, for many queries at a time: what partition and leaves are made of.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/aligned_buffer.h"
#include "graph/points.h"

namespace roxanne::graph {

// Ordered by distance, ties by row, so that results do not depend on the order of the work.
struct NearRow {
  int32_t distance;
  uint32_t row;
  bool operator<(const NearRow& other) const {
    return distance != other.distance ? distance < other.distance : row < other.row;
  }
};

// Fills the places of queries that have fewer than k rows to choose from.
inline constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();

// Scratch of one thread; sets of rows come and go.
class NearestRows {
 public:
  // As many as bounds can be had for in one pass (kernels::LaneMinimaL2IntFn).
  static constexpr size_t kMostNeighbours = 16;

  explicit NearestRows(ScalarType type) : kernels_(point_kernels(type)) {}

  // Takes the rows to choose from; `rows` may go afterwards.
  void set_rows(const PointBlock& rows);

  // For queries [0, queries.rows): their k nearest rows, nearest first, at found[q * k]. With
  // `skip_self`, row q is not an answer of query q. k is 1..kMostNeighbours.
  struct Request {
    size_t k = 1;
    bool skip_self = false;
  };
  void find(const PointBlock& queries, const Request& request, std::vector<NearRow>& found);

  uint64_t distance_computations() const { return distance_computations_; }

 private:
  void take_nearest(const int32_t* dots, int32_t query_norm, size_t k, NearRow* found);

  PointKernels kernels_;
  size_t row_count_ = 0;
  size_t padded_rows_ = 0;  // a whole number of panels
  size_t dim_ = 0;
  base::AlignedBuffer panels_;
  base::AlignedBuffer norms_;
  base::AlignedBuffer prepared_;
  base::AlignedBuffer dots_;
  std::vector<uint32_t> chosen_;
  uint64_t distance_computations_ = 0;
};

}  // namespace roxanne::graph
