// Links a graph over more rows than memory holds: shards of near cells, one after the other. A row
// near the border of shards is linked in each of them, and keeps the best of what they found.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "accel/graph_builder.h"
#include "base/thread_pool.h"
#include "index/cells_view.h"
#include "index/edge_file.h"
#include "index/ordered_rows.h"
#include "roxanne/status.h"
#include "roxanne/types.h"
#include "storage/file_system.h"

namespace roxanne::index {

struct LinkOptions {
  Metric metric = Metric::kL2;
  uint64_t memory_bytes = 0;  // 0 = no bound: one shard
  size_t thread_count = 1;
  uint64_t seed = 1;
  size_t leaf_neighbours = 2;
  accel::GraphBuilder* builder = nullptr;  // null = the processor
  std::string scratch_prefix;              // of paths of files that are gone when linking ends
  // Hears of the fraction done; one thread at a time. False = stop (kCancelled). May be empty.
  std::function<bool(double fraction)> progress;
};

// What came of it.
struct LinkReport {
  size_t shard_count = 0;
  uint64_t linked_rows = 0;  // of all shards: a row counts in each
  uint64_t spilled_bytes = 0;
};

// What memory depends on.
struct LinkShape {
  size_t row_bytes = 0;
  size_t max_degree = 0;
  size_t row_count = 0;
  size_t cell_count = 0;
};
// The least memory_bytes that will do.
uint64_t link_bytes_least(const LinkShape& shape);

// Fills `edges`, made for rows.count() rows; its scratch lies on their file system. The same edges
// for the same input, seed and memory_bytes, whatever the thread count. Where one shard holds all,
// every row can be reached from the first row of some cell; across shards that is not seen to.
// kCancelled, kDiskFull, kIoError; kInvalidArgument where memory_bytes is less than
// link_bytes_least().
Result<LinkReport> link_shards(const OrderedRows& rows, const CellsView& cells,
                               base::ThreadPool& pool, const LinkOptions& options, EdgeFile& edges);

}  // namespace roxanne::index
