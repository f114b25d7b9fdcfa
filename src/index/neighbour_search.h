// Finds what new nodes of a disk graph could be linked to: the nearest points on the pages that a
// search for each of them reads. Codes of the nearest cells are scanned and the pages that promise
// neighbours are read; edges of the very nearest alone are followed: more cost much and find
// little. docs/decisions/0011-graphs-that-change.md has the measurement.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "index/disk_index.h"
#include "index/graph_editor.h"
#include "index/near_points.h"
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

  // What is searched for, and where what is found goes; all outlive the search.
  struct Job {
    std::span<const NewNode> nodes;
    size_t pages_most = 0;    // it ends when so many of `pages` are held
    bool is_growing = false;  // the graph has outgrown what it was built of: it looks farther
    PagesUnderWay* pages = nullptr;
    std::vector<NearPoints>* near = nullptr;
  };

  // The index outlives it.
  NeighbourSearch(DiskIndex& index, const Options& options) : index_(index), options_(options) {}

  // Searches for the nodes of a job in their order, on all threads that help, while the graph may
  // change. When all have returned end() tells for how many: near[i] has the nearest points that
  // were compared with nodes[i], and `pages` holds the pages of the very nearest. kIoError,
  // kCorruption.
  void begin(const Job& job);
  void help();
  Result<size_t> end();

  const Counts& counts() const { return counts_; }  // not while it runs

 private:
  // Of a node.
  struct Search {
    std::function<void(uint32_t, const std::byte*, const float*)> hear;
    std::vector<uint32_t> held;  // pages
  };
  void take(size_t node, uint32_t page, const std::byte* bytes, const float* distances);
  size_t pages_expected() const;
  std::optional<DiskQuery::Request> next_request();
  void note_done(const DiskOutcome& outcome);

  DiskIndex& index_;
  const Options options_;
  Job job_;
  std::vector<Search> searches_;  // by node
  std::atomic<size_t> next_node_{0};
  std::atomic<size_t> done_{0};
  std::mutex mutex_;  // guards the next two while it runs
  Status status_;
  Counts counts_;
};

}  // namespace roxanne::index
