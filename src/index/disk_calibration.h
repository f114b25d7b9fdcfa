// Finds out how far a disk index's estimates are off, and which search_list_size reaches the recall
// that is promised, by searching for points of its own as if they were not in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "index/disk_index.h"
#include "index/exact_scan.h"
#include "index/ordered_rows.h"
#include "roxanne/status.h"

namespace roxanne::index {

// Points of an index and, for each, its nearest others: (distance, slot), nearest first.
struct CalibrationSample {
  static constexpr size_t kQueries = 300;
  static constexpr size_t kNeighbours = ListSizes::kLargeK;

  std::vector<std::byte> rows;
  std::vector<uint32_t> slots;
  std::vector<std::vector<ScanNeighbor>> truth;

  MatrixView queries(const CollectionOptions& options) const {
    return {options.type, rows.data(), slots.size(), options.dim};
  }
};

// Takes the points at random and finds their neighbours by comparing with all rows. `rows` are what
// the index was built of, by place in the order of cells.
Result<CalibrationSample> take_calibration_sample(const DiskIndex& index, const OrderedRows& rows,
                                                  base::ThreadPool& pool, size_t thread_count,
                                                  uint64_t seed);

// How far estimates are off. Neighbours that are gone are passed over.
EstimateError measure_error(const DiskGraph& graph, const CalibrationSample& sample);
// The sizes that reach the recall, by searching.
Result<ListSizes> measure_list_sizes(DiskIndex& index, const CalibrationSample& sample,
                                     base::ThreadPool& pool, size_t thread_count);

}  // namespace roxanne::index
