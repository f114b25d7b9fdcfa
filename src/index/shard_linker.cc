#include "index/shard_linker.h"

#include <algorithm>
#include <optional>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "graph/build.h"
#include "index/edge_spill_file.h"
#include "index/shard_plan.h"

namespace roxanne::index {
namespace {

// Memory of one loaded row beside its bytes: the groups that it joined at the first level and
// their lists as they grow, what its metric adds, its dense number.
constexpr uint64_t kLoadedRowBytes = 20 + 60 + 4 + 4;
// And of one that gets edges: its list's length, and candidate edges before they are spilled.
constexpr uint64_t kEdgeBytesLeast = 64;
constexpr uint64_t kOwnedRowBytes = 2 + kEdgeBytesLeast;
// Leaves, and candidates as they are merged, of a few threads.
constexpr uint64_t kScratchBytes = 48u << 20;
// Its neighbours, its place in the plan, what finding both takes.
constexpr uint64_t kCellBytes = 512;
// A shard of so many pieces of cells can hold any piece with its halo, and many of usual size.
constexpr uint64_t kShardPiecesLeast = 64;
static_assert(kShardPiecesLeast > CellNeighbours::kMostNeighbours);

constexpr size_t kRowsWrittenTogether = 8192;
// Of the whole time: finding the cells' neighbours.
constexpr double kPlanShare = 0.02;

uint64_t owned_row_bytes(const LinkShape& shape) {
  return shape.row_bytes + kLoadedRowBytes + kOwnedRowBytes + shape.max_degree * sizeof(uint32_t);
}

class ShardLinker {
 public:
  ShardLinker(storage::FileSystem& file_system, const OrderedRows& rows, base::ThreadPool& pool,
              const LinkOptions& options, EdgeFile& edges)
      : file_system_(file_system), rows_(rows), pool_(pool), options_(options), edges_(edges) {}

  Result<LinkReport> run(const CellsView& cells) {
    const LinkShape shape{rows_.row_bytes(), edges_.max_degree(), cells.centroids.rows()};
    const uint64_t least = link_bytes_least(shape);
    if (options_.memory_bytes != 0 && options_.memory_bytes < least) {
      return Status::invalid_argument("linking " + std::to_string(rows_.count()) +
                                      " points takes at least " + std::to_string(least) +
                                      " bytes of memory, " + std::to_string(options_.memory_bytes) +
                                      " are allowed");
    }
    pieces_ = cut_cells(cells.starts);
    if (pieces_.empty()) return report_;
    if (!advance(0)) return cancelled();
    budget_ = {.memory_bytes = 0,
               .owned_row_bytes = owned_row_bytes(shape),
               .halo_row_bytes = shape.row_bytes + kLoadedRowBytes,
               .halo_cells = options_.halo_cells};
    if (options_.memory_bytes != 0) {
      budget_.memory_bytes = options_.memory_bytes - kScratchBytes - shape.cell_count * kCellBytes;
    }
    const std::vector<Shard> shards = plan(cells.centroids);
    for (const Shard& shard : shards) total_rows_ += loaded_rows(shard);
    for (const Shard& shard : shards) ROX_RETURN_IF_ERROR(link(shard));
    report_.shard_count = shards.size();
    report_.loaded_rows = total_rows_;
    if (!advance(1)) return cancelled();
    return report_;
  }

 private:
  static Status cancelled() { return Status::cancelled("linking the graph was cancelled"); }

  bool advance(double fraction) { return !options_.progress || options_.progress(fraction); }

  uint64_t loaded_rows(const Shard& shard) const {
    return rows_of(pieces_, shard.owned) + rows_of(pieces_, shard.halo);
  }

  std::vector<Shard> plan(MatrixView centroids) {
    if (budget_.memory_bytes == 0 || budget_.bytes(rows_.count(), 0) <= budget_.memory_bytes) {
      Shard all;
      for (uint32_t i = 0; i < pieces_.size(); ++i) all.owned.push_back(i);
      return {std::move(all)};
    }
    const CellNeighbours neighbours(centroids, pool_,
                                    {.count = options_.halo_cells,
                                     .thread_count = options_.thread_count,
                                     .seed = options_.seed});
    plan_share_ = kPlanShare;
    return plan_shards(pieces_, centroids, neighbours, budget_);
  }

  Status link(const Shard& shard) {
    const uint64_t owned_rows = rows_of(pieces_, shard.owned);
    const uint64_t row_count = loaded_rows(shard);
    base::AlignedBuffer buffer(row_count * rows_.row_bytes());
    dense_.clear();
    dense_.reserve(row_count);
    ROX_RETURN_IF_ERROR(load(shard.owned, buffer));
    ROX_RETURN_IF_ERROR(load(shard.halo, buffer));
    const graph::Points points({rows_.type(), buffer.data(), row_count, rows_.dim()},
                               options_.metric);
    EdgeSpillFile spill(file_system_, options_.scratch_prefix + "candidates");
    graph::GraphOptions graph_options;
    graph_options.prune = {.max_degree = edges_.max_degree(), .fill = true};
    graph_options.partition.seed = options_.seed;
    graph_options.leaf_neighbours = options_.leaf_neighbours;
    graph_options.source_count = owned_rows;
    graph_options.thread_count = options_.thread_count;
    if (budget_.memory_bytes != 0) {
      // What rows leave free beyond what was planned for edges is theirs too.
      const uint64_t planned = budget_.bytes(owned_rows, row_count - owned_rows);
      const uint64_t spare = budget_.memory_bytes - std::min(planned, budget_.memory_bytes);
      graph_options.edge_memory_bytes = owned_rows * kEdgeBytesLeast + spare;
      graph_options.spill = &spill;
    }
    graph_options.advance = [&](const char*, double fraction) {
      const double done =
          static_cast<double>(done_rows_) + fraction * static_cast<double>(row_count);
      return advance(plan_share_ + (1 - plan_share_) * done / static_cast<double>(total_rows_));
    };
    graph::Adjacency adjacency(owned_rows, edges_.max_degree());
    graph::GraphCounts counts;
    switch (build_graph(points, pool_, graph_options, first_rows(shard), adjacency, counts)) {
      case graph::GraphOutcome::kDone:
        break;
      case graph::GraphOutcome::kStopped:
        return cancelled();
      case graph::GraphOutcome::kSpillFailed:
        return spill.status();
    }
    done_rows_ += row_count;
    report_.edges += counts.edges;
    report_.spilled_bytes += spill.bytes_written();
    return store(adjacency);
  }

  // Reads pieces to the end of what is in the buffer, neighbours in the file together.
  Status load(std::span<const uint32_t> numbers, base::AlignedBuffer& buffer) {
    for (size_t i = 0; i < numbers.size();) {
      const uint32_t first = pieces_[numbers[i]].first;
      uint32_t end = first;
      for (; i < numbers.size() && pieces_[numbers[i]].first == end; ++i) {
        end += pieces_[numbers[i]].count;
      }
      std::byte* const to = buffer.data() + dense_.size() * rows_.row_bytes();
      ROX_RETURN_IF_ERROR(rows_.read_rows(first, end - first, to));
      for (uint32_t row = first; row < end; ++row) dense_.push_back(row);
    }
    return Status::ok();
  }

  std::vector<uint32_t> first_rows(const Shard& shard) const {
    std::vector<uint32_t> firsts;
    uint32_t row = 0;
    for (const uint32_t number : shard.owned) {
      firsts.push_back(row);
      row += pieces_[number].count;
    }
    return firsts;
  }

  // Writes the lists, rows that follow each other in the file together.
  Status store(const graph::Adjacency& adjacency) {
    const size_t max_degree = edges_.max_degree();
    std::vector<uint32_t> lists;
    for (uint32_t first = 0; first < adjacency.node_count();) {
      lists.clear();
      uint32_t node = first;
      while (node < adjacency.node_count() && node - first < kRowsWrittenTogether &&
             dense_[node] - dense_[first] == node - first) {
        for (const uint32_t target : adjacency.neighbours(node)) lists.push_back(dense_[target]);
        ++node;
        lists.resize((node - first) * max_degree, kNoEdge);
      }
      ROX_RETURN_IF_ERROR(edges_.write(dense_[first], lists));
      first = node;
    }
    return Status::ok();
  }

  storage::FileSystem& file_system_;
  const OrderedRows& rows_;
  base::ThreadPool& pool_;
  const LinkOptions& options_;
  EdgeFile& edges_;
  std::vector<CellPiece> pieces_;
  ShardBudget budget_;
  std::vector<uint32_t> dense_;  // numbers of the rows loaded, in their order
  LinkReport report_;
  uint64_t total_rows_ = 0;  // loaded by all shards
  uint64_t done_rows_ = 0;
  double plan_share_ = 0;
};

}  // namespace

uint64_t link_bytes_least(const LinkShape& shape) {
  return kScratchBytes + shape.cell_count * kCellBytes +
         kShardPiecesLeast * kPieceRowsMax * owned_row_bytes(shape);
}

Result<LinkReport> link_shards(storage::FileSystem& file_system, const OrderedRows& rows,
                               const CellsView& cells, base::ThreadPool& pool,
                               const LinkOptions& options, EdgeFile& edges) {
  ROX_CHECK(cells.starts.size() == cells.centroids.rows() + 1);
  ROX_CHECK(cells.starts.front() == 0);
  ROX_CHECK(cells.starts.back() == rows.count());
  ROX_CHECK(edges.count() == rows.count());
  return ShardLinker(file_system, rows, pool, options, edges).run(cells);
}

}  // namespace roxanne::index
