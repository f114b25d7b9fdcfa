// Exact nearest neighbours by comparing every query with every row, in blocks.
//
// Integer vectors under L2 and inner product are ranked as integers. Floats are filtered by blocked
// products (norms - 2 * dot) with a margin for their rounding and ranked by the direct distance of
// the one-to-many kernel, so that an answer's distance never depends on the batch it came in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "roxanne/types.h"

namespace roxanne::index {

struct ScanNeighbor {
  float distance;
  uint64_t id;
  uint64_t tag;  // the row's, from ScanRows::tags; 0 where there were none
};

// The rows that one scan() call looks at.
struct ScanRows {
  const void* rows = nullptr;  // row_count x dim, dense, of the queries' scalar type
  size_t row_count = 0;
  uint64_t first_id = 0;           // row r has the id first_id + r
  const uint64_t* live = nullptr;  // bit r set = row r counts; null = all do
  const uint64_t* tags = nullptr;  // one a row, handed back with the answers: its key, say
  // Squared norms, one a row: int32 for u8 and i8, float for f32 and f16; null = computed here.
  const void* norms = nullptr;
};

// One search of a batch of queries. scan() may run at once on different lanes; a lane is used by
// one thread at a time. Memory: about lanes * queries * k * 16 bytes.
class ExactScan {
 public:
  // `queries` are copied; f16 queries are widened once. k is 1 or more.
  ExactScan(MatrixView queries, Metric metric, size_t k, size_t lane_count);
  ~ExactScan();

  void scan(size_t lane, const ScanRows& rows);

  // For each query its at most k nearest, by (distance, id). Call once, after all scans.
  std::vector<std::vector<ScanNeighbor>> finish();

  // Query-row pairs compared so far, all lanes.
  uint64_t distance_computations() const;

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace roxanne::index
