#include "index/shard_linker.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "graph/build.h"
#include "index/edge_spill_file.h"
#include "index/shard_lists.h"
#include "index/shard_plan.h"

namespace roxanne::index {
namespace {

// Candidate edges of one row before they are spilled.
constexpr uint64_t kEdgeBytesLeast = 64;
// Memory of one row beside its bytes and its list: the groups that it joined at the first level
// and their lists as they grow, what its metric adds, its dense number, its degree, its edges.
constexpr uint64_t kRowBytes = 20 + 60 + 4 + 4 + 2 + kEdgeBytesLeast;
// The cells nearest to a row, beside its own, whose shards link it too. SIFT 1M in the shards that
// 150 MiB allow, recall@10 of a walk with a pool of 40, .9529 where all is linked at once:
//   cells            2      3      4      6
//   rows linked    1.47   1.60   1.85   2.22 times
//   recall        .9447  .9467  .9466  .9477
constexpr size_t kCellsPerRow = 3;
// Leaves, and candidates as they are merged, of a few threads.
constexpr uint64_t kScratchBytes = 48u << 20;
// Of a cell: its neighbours, its place in the plan, what finding both takes.
constexpr uint64_t kCellBytes = 1024;
// The least shard: it holds any piece of a cell, and many cells of usual size.
constexpr uint64_t kShardRowsLeast = 32 * kPieceRowsMax;

constexpr size_t kRowsTogether = 8192;  // whose lists are on their way to a file
constexpr size_t kRowsOfLane = 256;     // of them, which one lane takes
// Of the whole time where there are many shards: finding out which rows go to which, and putting
// their lists together.
constexpr double kPlanShare = 0.03;
constexpr double kMergeShare = 0.02;

uint64_t shard_row_bytes(const LinkShape& shape) {
  return shape.row_bytes + kRowBytes + shape.max_degree * sizeof(uint32_t);
}

// What stays while shards come and go.
uint64_t resident_bytes_of(const LinkShape& shape) {
  return kScratchBytes + shape.cell_count * kCellBytes + shape.row_count * kCellsPerRow;
}

class ShardLinker {
 public:
  ShardLinker(const OrderedRows& rows, const CellsView& cells, base::ThreadPool& pool,
              const LinkOptions& options, EdgeFile& edges)
      : rows_(rows),
        cells_(cells),
        pool_(pool),
        options_(options),
        edges_(edges),
        shape_{rows.row_bytes(), edges.max_degree(), rows.count(), cells.centroids.rows()} {}

  Result<LinkReport> run() {
    const uint64_t least = link_bytes_least(shape_);
    if (options_.memory_bytes != 0 && options_.memory_bytes < least) {
      return Status::invalid_argument("linking " + std::to_string(rows_.count()) +
                                      " points takes at least " + std::to_string(least) +
                                      " bytes of memory, " + std::to_string(options_.memory_bytes) +
                                      " are allowed");
    }
    pieces_ = cut_cells(cells_.starts);
    if (pieces_.empty()) return report_;
    ROX_RETURN_IF_ERROR(advance(0));
    rows_max_ = rows_.count();
    if (options_.memory_bytes != 0) {
      shard_bytes_ = options_.memory_bytes - resident_bytes_of(shape_);
      rows_max_ = shard_bytes_ / shard_row_bytes(shape_);
    }
    ROX_RETURN_IF_ERROR(rows_max_ < rows_.count() ? link_many() : link_all());
    ROX_RETURN_IF_ERROR(advance(1));
    return report_;
  }

 private:
  Status advance(double fraction) {
    if (!options_.progress || options_.progress(fraction)) return Status::ok();
    return Status::cancelled("linking the graph was cancelled");
  }

  Status link_all() {
    dense_.reserve(rows_.count());
    base::AlignedBuffer buffer(rows_.count() * rows_.row_bytes());
    ROX_RETURN_IF_ERROR(rows_.read_rows(0, rows_.count(), buffer.data()));
    for (uint32_t row = 0; row < rows_.count(); ++row) dense_.push_back(row);
    for (const CellPiece& piece : pieces_) entries_.push_back(piece.first);
    report_ = {.shard_count = 1, .linked_rows = rows_.count()};
    const graph::Points points({rows_.type(), buffer.data(), rows_.count(), rows_.dim()},
                               options_.metric);
    graph::Adjacency adjacency(rows_.count(), edges_.max_degree());
    ROX_RETURN_IF_ERROR(build(points, adjacency));
    std::vector<uint32_t> lists;
    for (uint32_t first = 0; first < rows_.count(); first += kRowsTogether) {
      lists.clear();
      for (size_t i = 0; i < std::min(kRowsTogether, rows_.count() - first); ++i) {
        const auto neighbours = adjacency.neighbours(static_cast<uint32_t>(first + i));
        lists.insert(lists.end(), neighbours.begin(), neighbours.end());
        lists.resize((i + 1) * edges_.max_degree(), kNoEdge);
      }
      ROX_RETURN_IF_ERROR(edges_.write(first, lists));
    }
    return Status::ok();
  }

  Status link_many() {
    const CellNeighbours neighbours(cells_.centroids, pool_,
                                    {.thread_count = options_.thread_count, .seed = options_.seed});
    ROX_RETURN_IF_ERROR(advance(kPlanShare / 3));
    ROX_ASSIGN_OR_RETURN(
        const RowCells row_cells,
        RowCells::find(rows_, cells_, neighbours, pool_,
                       {.count = kCellsPerRow, .thread_count = options_.thread_count}));
    ROX_RETURN_IF_ERROR(advance(kPlanShare * 2 / 3));
    const ShardPlan plan = ShardPlan::make(pieces_, cells_.centroids, row_cells, rows_max_);
    report_.shard_count = plan.shard_count();
    for (uint32_t shard = 0; shard < plan.shard_count(); ++shard) {
      report_.linked_rows += plan.row_count(shard);
    }
    ROX_ASSIGN_OR_RETURN(
        lists_, ShardLists::create(rows_.file_system(), options_.scratch_prefix + "lists"));
    begin_ = kPlanShare;
    for (uint32_t shard = 0; shard < plan.shard_count(); ++shard) {
      const auto all = static_cast<double>(report_.linked_rows);
      share_ = static_cast<double>(plan.row_count(shard)) / all * (1 - kPlanShare - kMergeShare);
      ROX_RETURN_IF_ERROR(link_shard(plan, shard));
      begin_ += share_;
    }
    ROX_RETURN_IF_ERROR(lists_->merge(edges_));
    lists_ = nullptr;
    return Status::ok();
  }

  Status link_shard(const ShardPlan& plan, uint32_t shard) {
    const uint64_t row_count = plan.row_count(shard);
    base::AlignedBuffer buffer(row_count * rows_.row_bytes());
    ROX_RETURN_IF_ERROR(load(plan, shard, buffer));
    const graph::Points points({rows_.type(), buffer.data(), row_count, rows_.dim()},
                               options_.metric);
    graph::Adjacency adjacency(row_count, edges_.max_degree());
    ROX_RETURN_IF_ERROR(build(points, adjacency));
    return keep_lists(points, adjacency);
  }

  // Reads the rows of a shard, whole pieces at a time.
  Status load(const ShardPlan& plan, uint32_t shard, base::AlignedBuffer& buffer) {
    const size_t row_bytes = rows_.row_bytes();
    dense_.clear();
    dense_.reserve(plan.row_count(shard));
    entries_.clear();
    OrderedRows::Block block;
    for (const uint32_t p : plan.pieces_of(shard)) {
      const CellPiece& piece = pieces_[p];
      ROX_RETURN_IF_ERROR(rows_.read(piece.first, piece.count, block));
      const size_t before = dense_.size();
      for (uint32_t i = 0; i < piece.count; ++i) {
        if (!plan.belongs(p, piece.first + i, shard)) continue;
        std::copy_n(block.rows().row(i), row_bytes, buffer.data() + dense_.size() * row_bytes);
        dense_.push_back(piece.first + i);
      }
      if (dense_.size() > before) entries_.push_back(static_cast<uint32_t>(before));
    }
    ROX_CHECK(dense_.size() == plan.row_count(shard));
    return Status::ok();
  }

  // Where memory is short, candidate edges go to a file.
  Status build(const graph::Points& points, graph::Adjacency& adjacency) {
    EdgeSpillFile spill(rows_.file_system(), options_.scratch_prefix + "candidates");
    graph::GraphOptions options;
    options.prune = {.max_degree = edges_.max_degree(), .fill = true};
    options.partition.seed = options_.seed;
    options.leaf_neighbours = options_.leaf_neighbours;
    options.thread_count = options_.thread_count;
    if (options_.memory_bytes != 0) {
      // What rows leave free is theirs too.
      options.edge_memory_bytes = kEdgeBytesLeast * points.count() + shard_bytes_ -
                                  points.count() * shard_row_bytes(shape_);
      options.spill = &spill;
    }
    options.advance = [&](const char*, double fraction) {
      return advance(begin_ + share_ * fraction).is_ok();
    };
    graph::GraphCounts counts;
    const auto processor = accel::make_processor_builder();
    accel::GraphBuilder& builder = options_.builder != nullptr ? *options_.builder : *processor;
    const auto outcome = builder.build(points, pool_, options, entries_, adjacency, counts);
    report_.spilled_bytes += spill.bytes_written();
    ROX_RETURN_IF_ERROR(outcome.status());
    if (*outcome == graph::GraphOutcome::kSpillFailed) return spill.status();
    if (*outcome == graph::GraphOutcome::kDone) return Status::ok();
    return Status::cancelled("linking the graph was cancelled");
  }

  // Adds what a shard found to the lists, with distances by which the best can be chosen.
  Status keep_lists(const graph::Points& points, const graph::Adjacency& adjacency) {
    ROX_RETURN_IF_ERROR(lists_->begin_shard());
    const size_t max_degree = adjacency.max_degree();
    std::vector<FoundEdge> found(kRowsTogether * max_degree);
    for (size_t first = 0; first < adjacency.node_count(); first += kRowsTogether) {
      const size_t count = std::min(kRowsTogether, adjacency.node_count() - first);
      std::atomic<size_t> next{0};
      pool_.run(options_.thread_count, [&](size_t) {
        std::vector<float> distances(max_degree);
        for (size_t at = next++ * kRowsOfLane; at < count; at = next++ * kRowsOfLane) {
          for (size_t i = at; i < std::min(at + kRowsOfLane, count); ++i) {
            const auto node = static_cast<uint32_t>(first + i);
            const auto neighbours = adjacency.neighbours(node);
            points.distances(node, neighbours, distances.data());
            for (size_t n = 0; n < neighbours.size(); ++n) {
              found[i * max_degree + n] = {dense_[neighbours[n]], distances[n]};
            }
          }
        }
      });
      for (size_t i = 0; i < count; ++i) {
        const auto node = static_cast<uint32_t>(first + i);
        ROX_RETURN_IF_ERROR(lists_->append(
            dense_[node], std::span(found).subspan(i * max_degree, adjacency.degree(node))));
      }
    }
    return Status::ok();
  }

  const OrderedRows& rows_;
  const CellsView& cells_;
  base::ThreadPool& pool_;
  const LinkOptions& options_;
  EdgeFile& edges_;
  const LinkShape shape_;
  std::vector<CellPiece> pieces_;
  uint64_t shard_bytes_ = 0;       // memory of one shard
  uint64_t rows_max_ = 0;          // of one shard
  std::vector<uint32_t> dense_;    // numbers of the rows at hand, in their order
  std::vector<uint32_t> entries_;  // the first of each cell among them
  std::unique_ptr<ShardLists> lists_;
  LinkReport report_;
  double begin_ = 0;  // what is done, and what the shard at hand is, of all
  double share_ = 1;
};

}  // namespace

uint64_t link_bytes_least(const LinkShape& shape) {
  return resident_bytes_of(shape) + kShardRowsLeast * shard_row_bytes(shape);
}

Result<LinkReport> link_shards(const OrderedRows& rows, const CellsView& cells,
                               base::ThreadPool& pool, const LinkOptions& options,
                               EdgeFile& edges) {
  ROX_CHECK(cells.starts.size() == cells.centroids.rows() + 1);
  ROX_CHECK(cells.starts.front() == 0);
  ROX_CHECK(cells.starts.back() == rows.count());
  ROX_CHECK(edges.count() == rows.count());
  return ShardLinker(rows, cells, pool, options, edges).run();
}

}  // namespace roxanne::index
