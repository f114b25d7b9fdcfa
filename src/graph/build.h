// Builds a graph in bulk: partition, nearest neighbours inside leaves, one pruning per point, and
// repair of what cannot be reached. After PiPNN (arXiv 2602.21247), in its direct form: candidates
// are merged exactly and pruned once.
#pragma once

#include <functional>
#include <vector>

#include "base/thread_pool.h"
#include "graph/adjacency.h"
#include "graph/candidate_edges.h"
#include "graph/partition.h"
#include "graph/points.h"
#include "graph/robust_prune.h"

namespace roxanne::graph {

struct GraphOptions {
  PartitionOptions partition;
  PruneOptions prune;
  size_t leaf_neighbours = 3;  // nearest neighbours taken of each point in each leaf
  // Only points below it get edges; the others are there to be pointed at. 0 = all get some.
  size_t source_count = 0;
  size_t thread_count = 1;
  uint64_t edge_memory_bytes = 0;  // with a spill: what candidate edges may take in memory
  EdgeSpill* spill = nullptr;
  // Hears of the phase and of the fraction of all that is done; false = stop. One thread at a time.
  std::function<bool(const char* phase, double fraction)> advance;
};

struct GraphCounts {
  uint64_t partition_distances = 0;
  uint64_t leaf_distances = 0;
  uint64_t prune_distances = 0;
  uint64_t candidates = 0;
  uint64_t edges = 0;
  uint64_t mended = 0;  // nodes that were out of reach
};

enum class GraphOutcome { kDone, kStopped, kSpillFailed };

// Fills `adjacency`, whose nodes are the points that get edges. Where all do, every node can be
// reached from some of `entries`; else entries are not looked at. The same graph for the same
// points and seed, whatever the number of threads.
GraphOutcome build_graph(const Points& points, base::ThreadPool& pool, const GraphOptions& options,
                         std::span<const uint32_t> entries, Adjacency& adjacency,
                         GraphCounts& counts);

}  // namespace roxanne::graph
