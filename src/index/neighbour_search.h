// Finds what new nodes of a disk graph could be linked to: the points on the pages that a search
// for each of them reads. Codes of the nearest cells are scanned and the pages that promise
// neighbours are read; edges of the very nearest alone are followed: more cost much and find
// little. docs/decisions/0011-graphs-that-change.md has the measurement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "index/disk_index.h"
#include "index/graph_editor.h"
#include "index/pages_under_way.h"
#include "roxanne/status.h"

namespace roxanne::index {

class NeighbourSearch {
 public:
  struct Options {
    size_t k = 32;
    size_t search_list_size = 64;
  };
  struct Counts {
    uint64_t reads = 0;
    uint64_t cache_hits = 0;
    uint64_t distance_computations = 0;
  };

  // Both outlive it.
  NeighbourSearch(DiskIndex& index, base::ThreadPool& pool, const Options& options)
      : index_(index), pool_(pool), options_(options) {}

  // Searches for nodes, in their order, on so many threads at the most, until `pages` holds
  // `pages_most` or there are no more. Returns how many it searched for: near[i] has the points
  // that were compared with nodes[i], and `pages` has their pages. The graph may change meanwhile.
  // `is_growing`: the graph has outgrown what it was built of; then it looks farther.
  // kIoError, kCorruption.
  Result<size_t> run(std::span<const NewNode> nodes, size_t thread_count, size_t pages_most,
                     bool is_growing, PagesUnderWay& pages,
                     std::vector<std::vector<NearPoint>>& near);

  const Counts& counts() const { return counts_; }  // not while it runs

 private:
  DiskIndex& index_;
  base::ThreadPool& pool_;
  const Options options_;
  Counts counts_;
};

}  // namespace roxanne::index
