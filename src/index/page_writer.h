// Makes the pages and codes of a disk index from ordered rows and their edges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "graph/adjacency.h"
#include "index/disk_codes_file.h"
#include "index/disk_graph.h"
#include "index/edge_file.h"
#include "index/ordered_rows.h"
#include "roxanne/status.h"
#include "storage/page_store.h"

namespace roxanne::index {

class PageWriter {
 public:
  // All outlive this. Fills graph.codes, which has room for all places. `row_slots`: by row.
  PageWriter(DiskGraph& graph, const OrderedRows& rows, const std::vector<uint32_t>& row_starts,
             const std::vector<uint32_t>& row_slots, base::ThreadPool& pool, size_t thread_count);

  // Where edges come from, one of the two: a file of them by row, or an adjacency whose nodes are
  // the slots in ascending order.
  void take_edges(const EdgeFile& edges) { edges_ = &edges; }
  void take_adjacency(const graph::Adjacency& adjacency);

  using Progress = std::function<Status(double fraction)>;
  Status write(storage::PageStore& pages, DiskCodesWriter& codes, const Progress& progress);

 private:
  class Encoder;

  Status read_lists(uint32_t first_row, uint32_t row_count);
  Status write_codes(DiskCodesWriter& codes, size_t end_place);

  DiskGraph& graph_;
  const OrderedRows& rows_;
  const std::vector<uint32_t>& row_starts_;
  base::ThreadPool& pool_;
  const size_t thread_count_;
  const std::vector<uint32_t>& row_slots_;
  const EdgeFile* edges_ = nullptr;
  const graph::Adjacency* adjacency_ = nullptr;
  std::vector<uint32_t> source_of_;  // by row: the adjacency's node
  std::vector<uint32_t> row_of_;     // by the adjacency's node
  std::vector<uint32_t> lists_;      // of the block at hand, by row; rows, kNoEdge
  size_t codes_written_ = 0;         // places
};

}  // namespace roxanne::index
