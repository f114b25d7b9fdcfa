#include "graph/build.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "base/status_macros.h"
#include "graph/nearest_rows.h"
#include "graph/reachability.h"

namespace roxanne::graph {
namespace {

constexpr double kLeafShare = 0.75;  // of the whole time
constexpr double kPruneShare = 0.23;

// Nearest neighbours inside leaves, as candidate edges both ways; one lane's.
class LeafLinker {
 public:
  struct Options {
    size_t neighbours;
    size_t source_count;
  };
  LeafLinker(const Points& points, const Options& options, CandidateEdges& edges)
      : neighbours_(std::min(options.neighbours, NearestRows::kMostNeighbours)),
        source_count_(options.source_count),
        nearest_(points.code_type()),
        writer_(edges) {}

  void link(const Leaf& leaf) {
    const size_t count = leaf.ids.size();
    const size_t k = std::min(neighbours_, count - 1);
    nearest_.set_rows(*leaf.block);
    nearest_.find(*leaf.block, {.k = k, .skip_self = true}, found_);
    for (uint32_t i = 0; i < count; ++i) {
      for (size_t j = 0; j < k; ++j) {
        const uint32_t other = found_[i * k + j].row;
        if (other == kNoRow) continue;
        // A pair that chose each other is linked once, by the first of the two.
        if (other < i && has(other, k, i)) continue;
        add(leaf.ids[i], leaf.ids[other]);
        add(leaf.ids[other], leaf.ids[i]);
      }
    }
  }
  void flush() { writer_.flush(); }
  uint64_t distance_computations() const { return nearest_.distance_computations(); }

 private:
  void add(uint32_t source, uint32_t target) {
    if (source < source_count_) writer_.add(source, target);
  }
  bool has(uint32_t row, size_t k, uint32_t wanted) const {
    for (size_t j = 0; j < k; ++j) {
      if (found_[row * k + j].row == wanted) return true;
    }
    return false;
  }

  size_t neighbours_;
  size_t source_count_;
  NearestRows nearest_;
  CandidateEdges::Writer writer_;
  std::vector<NearRow> found_;
};

size_t source_count_of(const Points& points, const GraphOptions& options) {
  return options.source_count == 0 ? points.count() : options.source_count;
}

bool link_leaves(const Points& points, base::ThreadPool& pool, const GraphOptions& options,
                 CandidateEdges& edges, GraphCounts& counts) {
  std::vector<std::unique_ptr<LeafLinker>> linkers(options.thread_count);
  const LeafLinker::Options linker_options{options.leaf_neighbours,
                                           source_count_of(points, options)};
  for (auto& linker : linkers) {
    linker = std::make_unique<LeafLinker>(points, linker_options, edges);
  }
  PartitionOptions partition_options = options.partition;
  partition_options.source_count = options.source_count;
  Partition partition(points, partition_options);
  const bool done = partition.run(
      pool, options.thread_count, [&](size_t lane, const Leaf& leaf) { linkers[lane]->link(leaf); },
      [&](double fraction) {
        return !edges.failed() &&
               (!options.advance || options.advance("partition", fraction * kLeafShare));
      });
  counts.partition_distances = partition.distance_computations();
  for (auto& linker : linkers) {
    linker->flush();
    counts.leaf_distances += linker->distance_computations();
  }
  return done;
}

bool prune_all(const Points& points, base::ThreadPool& pool, const GraphOptions& options,
               CandidateEdges& edges, Adjacency& adjacency, GraphCounts& counts) {
  std::atomic<size_t> next{0};
  std::atomic<bool> stopped{false};
  std::mutex mutex;  // guards counts and calls of advance
  size_t done = 0;
  pool.run(options.thread_count, [&](size_t) {
    RobustPrune pruner(points, options.prune);
    CandidateEdges::Merged merged;
    uint64_t candidates = 0, kept_edges = 0;
    for (size_t b = next++; b < edges.bucket_count() && !stopped; b = next++) {
      if (!edges.merge(b, merged)) break;
      for (size_t i = 0; i + 1 < merged.offsets.size(); ++i) {
        const uint32_t begin = merged.offsets[i];
        const uint32_t point = merged.first_source + static_cast<uint32_t>(i);
        const auto kept =
            pruner.prune(point, {merged.targets.data() + begin, merged.offsets[i + 1] - begin});
        adjacency.set(point, kept);
        kept_edges += kept.size();
      }
      candidates += merged.targets.size();
      std::lock_guard lock(mutex);
      const double part = static_cast<double>(++done) / static_cast<double>(edges.bucket_count());
      if (options.advance && !options.advance("prune", kLeafShare + kPruneShare * part)) {
        stopped = true;
      }
    }
    std::lock_guard lock(mutex);
    counts.candidates += candidates;
    counts.edges += kept_edges;
    counts.prune_distances += pruner.distance_computations();
  });
  return !stopped;
}

}  // namespace

GraphOutcome build_graph(const Points& points, base::ThreadPool& pool, const GraphOptions& options,
                         std::span<const uint32_t> entries, Adjacency& adjacency,
                         GraphCounts& counts) {
  const size_t source_count = source_count_of(points, options);
  ROX_ASSERT(source_count <= points.count());
  ROX_ASSERT(adjacency.node_count() == source_count);
  CandidateEdges edges(source_count, options.edge_memory_bytes, options.spill);
  bool done = link_leaves(points, pool, options, edges, counts);
  if (done) done = prune_all(points, pool, options, edges, adjacency, counts);
  if (edges.failed()) return GraphOutcome::kSpillFailed;
  if (!done) return GraphOutcome::kStopped;
  if (source_count == points.count()) counts.mended = make_reachable(adjacency, entries);
  return GraphOutcome::kDone;
}

}  // namespace roxanne::graph
