#include "accel/device_build.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>

#include "accel/cell_carver.h"
#include "accel/node_batch.h"
#include "base/status_macros.h"
#include "graph/reachability.h"

namespace roxanne::accel {
namespace {

// Points of the first level that are assigned together.
constexpr size_t kBlockPoints = 1u << 16;
// Of the whole time; what is left is for what cannot be reached.
constexpr double kAssignShare = 0.1;
constexpr double kCarveShare = 0.65;
constexpr double kPruneShare = 0.23;

class DeviceBuild {
 public:
  DeviceBuild(const graph::Points& points, base::ThreadPool& pool,
              const graph::GraphOptions& options, Engines& engines, graph::Adjacency& adjacency,
              graph::GraphCounts& counts)
      : points_(points),
        pool_(pool),
        options_(with_source_count(options)),
        engines_(engines),
        adjacency_(adjacency),
        counts_(counts),
        source_count_(options.source_count == 0 ? points.count() : options.source_count),
        edges_(source_count_, options.edge_memory_bytes, options.spill) {}

  Result<graph::GraphOutcome> run(std::span<const uint32_t> entries) {
    ROX_ASSERT(adjacency_.node_count() == source_count_);
    leaders_ = choose_first_leaders(points_.count(), options_.partition);
    std::vector<uint16_t> joined(points_.count() * leaders_.fanout);
    if (!leaders_.places.empty()) assign(joined);
    if (!stopped_) {
      graph::Groups cells = make_cells(joined, points_.count(), leaders_, options_.partition);
      std::vector<uint16_t>().swap(joined);
      carve(std::move(cells));
    }
    if (!stopped_) prune();
    ROX_RETURN_IF_ERROR(status_);
    if (edges_.failed()) return graph::GraphOutcome::kSpillFailed;
    if (stopped_) return graph::GraphOutcome::kStopped;
    if (source_count_ == points_.count()) counts_.mended = make_reachable(adjacency_, entries);
    return graph::GraphOutcome::kDone;
  }

 private:
  static graph::GraphOptions with_source_count(graph::GraphOptions options) {
    options.partition.source_count = options.source_count;
    return options;
  }

  // Pieces [0, count) of work, each with an engine; `work(engine, lane)` takes them from next().
  class Pieces {
   public:
    explicit Pieces(size_t count) : count_(count) {}
    bool next(size_t& piece) { return (piece = next_++) < count_; }

   private:
    const size_t count_;
    std::atomic<size_t> next_{0};
  };

  template <class Work>
  void on_lanes(const Work& work) {
    pool_.run(engines_.size(), [&](size_t lane) {
      const Status done = work(*engines_[lane]);
      if (done.is_ok()) return;
      std::lock_guard lock(mutex_);
      if (status_.is_ok()) status_ = done;
      stopped_ = true;
    });
  }

  void report(const char* phase, double fraction) {
    std::lock_guard lock(mutex_);
    if (edges_.failed() || (options_.advance && !options_.advance(phase, fraction))) {
      stopped_ = true;
    }
  }

  // The first level: every point to its leaders.
  void assign(std::vector<uint16_t>& joined) {
    const size_t count = points_.count(), fanout = leaders_.fanout;
    const auto leader_count = static_cast<uint32_t>(leaders_.places.size());
    const graph::Points::Frame frame = points_.frame(leaders_.places, graph::kFrameHeadroom);
    size_t block_points = kBlockPoints;  // that any engine takes: devices may differ
    for (const auto& engine : engines_) {
      block_points = std::min(block_points, engine->shape().batch_rows - leader_count);
    }
    Pieces blocks((count + block_points - 1) / block_points);
    std::atomic<size_t> done{0};
    on_lanes([&](Engine& engine) -> Status {
      BatchFiller batch(points_, engine);
      std::vector<uint32_t> ids;
      for (size_t b = 0; !stopped_ && blocks.next(b);) {
        const size_t first = b * block_points;
        ids.resize(std::min(block_points, count - first));
        std::iota(ids.begin(), ids.end(), static_cast<uint32_t>(first));
        batch.begin(false, {});
        batch.add_points(leaders_.places, frame);
        const uint32_t query_first = batch.add_points(ids, frame);
        batch.add_queries({query_first, static_cast<uint32_t>(ids.size()), 0, leader_count});
        std::span<const uint32_t> found;
        ROX_RETURN_IF_ERROR(engine.nearest(batch.batch(fanout, false), found));
        const auto answers = found.subspan(query_first * fanout, ids.size() * fanout);
        for (size_t i = 0; i < answers.size(); ++i) {
          joined[first * fanout + i] = static_cast<uint16_t>(answers[i]);
        }
        done += ids.size();
        report("partition", kAssignShare * static_cast<double>(done) / static_cast<double>(count));
      }
      return Status::ok();
    });
    counts_.partition_distances += uint64_t{count} * leader_count;
  }

  void carve(graph::Groups cells) {
    uint64_t total = 0;
    for (const auto& cell : cells) total += cell.size();
    Pieces pieces(cells.size());
    std::atomic<uint64_t> done{0};
    on_lanes([&](Engine& engine) -> Status {
      CellCarver carver(points_, options_, engine, edges_);
      for (size_t c = 0; !stopped_ && pieces.next(c);) {
        const std::vector<uint32_t> ids = std::move(cells[c]);
        ROX_RETURN_IF_ERROR(carver.carve(ids, cell_seed(options_.partition, c)));
        done += ids.size();
        report("partition", kAssignShare + kCarveShare * static_cast<double>(done) /
                                               static_cast<double>(std::max<uint64_t>(1, total)));
      }
      carver.flush();
      std::lock_guard lock(mutex_);
      counts_.partition_distances += carver.partition_distances();
      counts_.leaf_distances += carver.leaf_distances();
      return Status::ok();
    });
  }

  void prune() {
    Pieces buckets(edges_.bucket_count());
    size_t done = 0;
    on_lanes([&](Engine& engine) -> Status {
      NodeBatch nodes(points_, options_.prune, engine, adjacency_);
      graph::CandidateEdges::Merged merged;
      uint64_t candidates = 0;
      for (size_t b = 0; !stopped_ && buckets.next(b);) {
        ROX_RETURN_IF_ERROR(merge(engine, b, merged));
        if (edges_.failed()) break;
        for (size_t i = 0; i + 1 < merged.offsets.size(); ++i) {
          const uint32_t begin = merged.offsets[i];
          ROX_RETURN_IF_ERROR(
              nodes.add(merged.first_source + static_cast<uint32_t>(i),
                        std::span(merged.targets).subspan(begin, merged.offsets[i + 1] - begin)));
        }
        ROX_RETURN_IF_ERROR(nodes.send());
        candidates += merged.targets.size();
        size_t all = 0;
        {
          std::lock_guard lock(mutex_);
          all = ++done;
        }
        report("prune", kAssignShare + kCarveShare +
                            kPruneShare * static_cast<double>(all) /
                                static_cast<double>(edges_.bucket_count()));
      }
      std::lock_guard lock(mutex_);
      counts_.candidates += candidates;
      counts_.edges += nodes.edges();
      return Status::ok();
    });
  }

  // Candidates of a bucket, sorted on the device where they fit it.
  Status merge(Engine& engine, size_t bucket, graph::CandidateEdges::Merged& merged) {
    std::vector<std::vector<uint64_t>> chunks;
    if (!edges_.take(bucket, chunks)) return Status::ok();
    std::vector<uint64_t> all;
    for (const auto& chunk : chunks) all.insert(all.end(), chunk.begin(), chunk.end());
    if (all.size() <= engine.shape().edges_max()) {
      ROX_RETURN_IF_ERROR(engine.sort_edges(all));
    } else {
      std::sort(all.begin(), all.end());
      all.erase(std::unique(all.begin(), all.end()), all.end());
    }
    edges_.group(bucket, all, merged);
    return Status::ok();
  }

  const graph::Points& points_;
  base::ThreadPool& pool_;
  const graph::GraphOptions options_;
  Engines& engines_;
  graph::Adjacency& adjacency_;
  graph::GraphCounts& counts_;
  const size_t source_count_;
  graph::CandidateEdges edges_;
  graph::Leaders leaders_;
  std::mutex mutex_;  // guards status_, counts_ and calls of advance
  Status status_;
  std::atomic<bool> stopped_{false};
};

}  // namespace

size_t batch_rows_least(const graph::GraphOptions& options) {
  const auto& partition = options.partition;
  return partition.leaders_max + 1 + std::max(partition.leaf_points_max, size_t{kTileQueries});
}

Result<graph::GraphOutcome> build_on_engines(const graph::Points& points, base::ThreadPool& pool,
                                             const graph::GraphOptions& options,
                                             std::span<const uint32_t> entries, Engines& engines,
                                             graph::Adjacency& adjacency,
                                             graph::GraphCounts& counts) {
  ROX_CHECK(!engines.empty());
  for (const auto& engine : engines) {
    const EngineShape& shape = engine->shape();
    ROX_CHECK(shape.dim == points.dim() && shape.code_type == points.code_type());
    ROX_CHECK(shape.batch_rows >= batch_rows_least(options));
    ROX_CHECK(shape.k_max >=
              std::max(options.partition.fanout_first, options.partition.fanout_second));
    ROX_CHECK(shape.link_neighbours >= std::min(options.leaf_neighbours, kNearestMax));
  }
  return DeviceBuild(points, pool, options, engines, adjacency, counts).run(entries);
}

}  // namespace roxanne::accel
