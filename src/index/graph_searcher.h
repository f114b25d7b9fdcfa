// Best-first search of a resident graph.
//
// One step takes the nearest node of the pool that was not looked at yet, computes its exact
// distance, and estimates those of all its neighbours from the codes that lie in its record; those
// that may be near enough enter the pool. The pool is ordered by estimates, the answers by exact
// distances. Ends when every node of the pool was looked at, and the pool is full or no entry is
// left to go on from: a pool as long as the graph sees every node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/stopwatch.h"
#include "index/exact_distance.h"
#include "index/resident_graph.h"
#include "quantize/residual_code.h"

namespace roxanne::index {

struct FoundNode {
  float distance;
  uint32_t node;
  bool operator<(const FoundNode& other) const {
    return distance != other.distance ? distance < other.distance : node < other.node;
  }
};

struct SearchCounts {
  uint64_t distance_computations = 0;
  uint64_t estimates = 0;
  uint64_t hops = 0;
  double seed_us = 0;
  double walk_us = 0;
};

// Scratch of one thread; about node_count / 8 bytes.
class GraphSearcher {
 public:
  explicit GraphSearcher(const ResidentGraph& graph);

  struct Request {
    const std::byte* query = nullptr;  // of the graph's scalar type
    size_t k = 1;
    size_t search_list_size = 1;  // k or more
    // Whether a node may be an answer; null = each may. Called only for nodes near enough to be.
    const std::function<bool(uint32_t node)>* accepts = nullptr;
    uint32_t without = kNoNode;        // a node that the search does as if it were not there
    base::Stopwatch* watch = nullptr;  // laps after the seed and at the end
  };
  // At most k answers, nearest first, valid until the next call.
  const std::vector<FoundNode>& search(const Request& request);

  const SearchCounts& counts() const { return counts_; }

 private:
  // A node in the pool.
  struct Entry {
    float estimate;
    uint32_t node;  // its highest bit: it was looked at
  };

  void prepare(const std::byte* query);
  float origin_distance() const;
  void enter_from_root();
  void walk();
  void visit_other_entries();
  void step(uint32_t node);
  void take_links(const LinksView<const std::byte>& links, float base);
  void take_links_exactly(const LinksView<const std::byte>& links);
  void offer(float estimate, uint32_t node);
  void prefetch_next() const;
  void add_answer(float distance, uint32_t node);
  bool is_marked(uint32_t node) const { return ((marks_[node / 64] >> (node % 64)) & 1) != 0; }
  bool mark(uint32_t node);
  void clear_marks();

  const ResidentGraph& graph_;
  ExactDistance exact_;
  quantize::ResidualQuery codes_;
  std::vector<float> centred_;
  std::vector<int8_t> bytes_;
  std::vector<float> projected_;
  std::vector<uint64_t> marks_;
  std::vector<uint32_t> marked_;
  std::vector<Entry> pool_;  // ascending by estimate
  size_t pool_size_ = 0;
  size_t pool_max_ = 0;
  size_t cursor_ = 0;  // no node before it is still to be looked at
  float bound_ = 0;    // estimates at or above it do not enter
  std::vector<FoundNode> answers_;
  const Request* request_ = nullptr;
  SearchCounts counts_;
};

}  // namespace roxanne::index
