// Carves points into small overlapping leaves (PiPNN, arXiv 2602.21247): random points are leaders,
// each point joins its few nearest, and each leader's group is carved again until it is small.
// Near points then share a leaf, and all-pairs distances inside leaves replace the searches that
// make other graphs slow to build.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "graph/carving.h"
#include "graph/nearest_rows.h"
#include "graph/points.h"

namespace roxanne::graph {

// A leaf: at least two points, ascending, each once; and their codes.
struct Leaf {
  std::span<const uint32_t> ids;
  const PointBlock* block;
};

class Partition {
 public:
  Partition(const Points& points, const PartitionOptions& options);

  // Calls `visit(lane, leaf)` for every leaf, on up to `lane_count` lanes at once. `advance` hears
  // of the fraction done, from one lane at a time, and returns false to stop. Returns whether all
  // was visited. The leaves depend on the seed alone.
  using Visit = std::function<void(size_t lane, const Leaf& leaf)>;
  using Advance = std::function<bool(double fraction)>;
  bool run(base::ThreadPool& pool, size_t lane_count, const Visit& visit, const Advance& advance);

  uint64_t distance_computations() const { return distance_computations_; }

 private:
  class Carver;

  const Points& points_;
  const PartitionOptions options_;
  std::atomic<uint64_t> distance_computations_{0};
};

}  // namespace roxanne::graph
