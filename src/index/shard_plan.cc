#include "index/shard_plan.h"

#include <algorithm>
#include <numeric>

#include "base/status_macros.h"
#include "kernels/distance.h"

namespace roxanne::index {
namespace {

// Of balanced 2-means; cuts hardly move after as many.
constexpr size_t kCutIterations = 8;
// Shards for every one that would do without what lies beyond edges: of more, most of each would
// be that.
constexpr size_t kWorthMost = 6;

uint64_t rows_of(std::span<const CellPiece> pieces, std::span<const uint32_t> numbers) {
  uint64_t rows = 0;
  for (const uint32_t number : numbers) rows += pieces[number].count;
  return rows;
}

// Cuts pieces in two by their centroids, again and again.
class Bisection {
 public:
  Bisection(std::span<const CellPiece> pieces, MatrixView centroids)
      : pieces_(pieces), centroids_(centroids), order_(pieces.size()), leanings_(pieces.size()) {}

  // Sets of pieces of about equal numbers of rows; as many as `set_count` (at most one a piece).
  std::vector<std::vector<uint32_t>> cut(size_t set_count) {
    std::iota(order_.begin(), order_.end(), 0u);
    sets_.clear();
    cut(order_, set_count);
    return std::move(sets_);
  }

 private:
  void cut(std::span<uint32_t> part, size_t set_count) {
    if (set_count <= 1) {
      sets_.emplace_back(part.begin(), part.end());
      std::sort(sets_.back().begin(), sets_.back().end());
      return;
    }
    const size_t left_sets = set_count / 2;
    const size_t at = bisect(part, left_sets, set_count);
    cut(part.first(at), left_sets);
    cut(part.subspan(at), set_count - left_sets);
  }

  // Balanced 2-means: pieces in the order in which they lean to one centre rather than the other,
  // cut where the rows are due; then the centres move. Returns how many pieces are on the left.
  size_t bisect(std::span<uint32_t> part, size_t left_sets, size_t set_count) {
    std::sort(part.begin(), part.end());
    const uint32_t one = farthest_from(part.front(), part);
    set_centre(left_, one);
    set_centre(right_, farthest_from(one, part));
    const uint64_t left_rows = rows_of(pieces_, part) * left_sets / set_count;
    size_t at = 0;
    for (size_t i = 0; i < kCutIterations; ++i) {
      lean(part);
      std::sort(part.begin(), part.end(), [&](uint32_t a, uint32_t b) {
        return leanings_[a] != leanings_[b] ? leanings_[a] < leanings_[b] : a < b;
      });
      uint64_t rows = 0;
      for (at = 0; at < part.size() && rows < left_rows; ++at) rows += pieces_[part[at]].count;
      at = std::clamp(at, left_sets, part.size() - (set_count - left_sets));
      set_mean(left_, part.first(at));
      set_mean(right_, part.subspan(at));
    }
    return at;
  }

  const float* centroid(uint32_t piece) const {
    return reinterpret_cast<const float*>(centroids_.row(pieces_[piece].cell));
  }

  float distance(const float* centre, uint32_t piece) const {
    float distance = 0;
    kernels::kernels().l2_f32(centre, centroid(piece), 1, centroids_.dim(), &distance);
    return distance;
  }

  uint32_t farthest_from(uint32_t piece, std::span<const uint32_t> part) const {
    uint32_t farthest = piece;
    float greatest = 0;
    for (const uint32_t other : part) {
      const float found = distance(centroid(piece), other);
      if (found > greatest) {
        greatest = found;
        farthest = other;
      }
    }
    return farthest;
  }

  void lean(std::span<const uint32_t> part) {
    for (const uint32_t piece : part) {
      leanings_[piece] = distance(left_.data(), piece) - distance(right_.data(), piece);
    }
  }

  void set_centre(std::vector<float>& centre, uint32_t piece) {
    centre.assign(centroid(piece), centroid(piece) + centroids_.dim());
  }

  void set_mean(std::vector<float>& centre, std::span<const uint32_t> part) {
    sums_.assign(centroids_.dim(), 0);
    double rows = 0;
    for (const uint32_t piece : part) {
      const double weight = pieces_[piece].count;
      const float* const values = centroid(piece);
      for (size_t d = 0; d < sums_.size(); ++d) sums_[d] += weight * double{values[d]};
      rows += weight;
    }
    for (size_t d = 0; d < sums_.size(); ++d) centre[d] = static_cast<float>(sums_[d] / rows);
  }

  std::span<const CellPiece> pieces_;
  MatrixView centroids_;
  std::vector<uint32_t> order_;
  std::vector<float> leanings_;  // of each piece: below 0 where it is nearer to the left
  std::vector<float> left_, right_;
  std::vector<double> sums_;
  std::vector<std::vector<uint32_t>> sets_;
};

}  // namespace

std::vector<CellPiece> cut_cells(std::span<const uint32_t> cell_starts) {
  std::vector<CellPiece> pieces;
  for (uint32_t cell = 0; cell + 1 < cell_starts.size(); ++cell) {
    ROX_CHECK(cell_starts[cell] <= cell_starts[cell + 1]);
    const uint64_t rows = cell_starts[cell + 1] - cell_starts[cell];
    const uint64_t count = (rows + kPieceRowsMax - 1) / kPieceRowsMax;
    for (uint64_t i = 0; i < count; ++i) {
      const auto begin = static_cast<uint32_t>(rows * i / count);
      const auto end = static_cast<uint32_t>(rows * (i + 1) / count);
      pieces.push_back({cell_starts[cell] + begin, end - begin, cell});
    }
  }
  return pieces;
}

ShardPlan::ShardPlan(std::span<const CellPiece> pieces, const RowCells& row_cells)
    : pieces_(pieces), row_cells_(row_cells), owners_(pieces.size()) {
  first_pieces_.assign(row_cells.cell_count() + 1, static_cast<uint32_t>(pieces.size()));
  for (size_t i = pieces.size(); i-- > 0;) first_pieces_[pieces[i].cell] = static_cast<uint32_t>(i);
  // Empty cells begin where the next one does.
  for (size_t cell = row_cells.cell_count(); cell-- > 0;) {
    first_pieces_[cell] = std::min(first_pieces_[cell], first_pieces_[cell + 1]);
  }
}

uint32_t ShardPlan::next_of_cell(uint32_t piece) const {
  const uint32_t cell = pieces_[piece].cell;
  return piece + 1 < first_pieces_[cell + 1] ? piece + 1 : first_pieces_[cell];
}

template <typename Visit>
void ShardPlan::for_each_shard(uint32_t piece, uint32_t row, const Visit& visit) const {
  uint32_t seen[kRanksMax];
  size_t seen_count = 0;
  const auto see = [&](uint32_t shard, size_t rank) {
    if (std::find(seen, seen + seen_count, shard) != seen + seen_count) return;
    seen[seen_count++] = shard;
    visit(shard, rank);
  };
  const uint32_t cell = pieces_[piece].cell;
  see(owners_[piece], 0);
  see(owners_[next_of_cell(piece)], 1);
  for (size_t i = 0; i < row_cells_.count(); ++i) {
    const uint32_t near = row_cells_.near(row, cell, i);
    if (near == CellNeighbours::kNone) break;
    const uint32_t first = first_pieces_[near];
    if (first < first_pieces_[near + 1]) see(owners_[first], i + 1);
  }
}

bool ShardPlan::belongs(uint32_t piece, uint32_t row, uint32_t shard) const {
  bool found = false;
  for_each_shard(piece, row, [&](uint32_t other, size_t rank) {
    found = found || (other == shard && rank <= reaches_[shard]);
  });
  return found;
}

// Takes on who owns what, and finds how far each shard can look.
void ShardPlan::assign(const std::vector<std::vector<uint32_t>>& sets, uint64_t rows_max) {
  for (uint32_t shard = 0; shard < sets.size(); ++shard) {
    for (const uint32_t piece : sets[shard]) owners_[piece] = shard;
  }
  const size_t ranks = row_cells_.count() + 1;
  std::vector<uint64_t> counts(sets.size() * ranks);
  reached_.assign(sets.size(), {});
  for (uint32_t piece = 0; piece < pieces_.size(); ++piece) {
    for (uint32_t i = 0; i < pieces_[piece].count; ++i) {
      for_each_shard(piece, pieces_[piece].first + i, [&](uint32_t shard, size_t rank) {
        if (rank >= ranks) return;
        ++counts[shard * ranks + rank];
        auto& reached = reached_[shard];
        if (reached.empty() || reached.back() != piece) reached.push_back(piece);
      });
    }
  }
  reaches_.assign(sets.size(), 0);
  row_counts_.assign(sets.size(), 0);
  is_fit_ = true;
  rows_wanted_ = 0;
  for (size_t shard = 0; shard < sets.size(); ++shard) {
    const std::span<const uint64_t> by_rank(counts.data() + shard * ranks, ranks);
    rows_wanted_ =
        std::max(rows_wanted_, std::accumulate(by_rank.begin(), by_rank.end(), uint64_t{0}));
    row_counts_[shard] = by_rank[0];
    is_fit_ = is_fit_ && row_counts_[shard] <= rows_max;
    for (size_t rank = 1; rank < ranks; ++rank) {
      if (row_counts_[shard] + by_rank[rank] > rows_max) break;
      row_counts_[shard] += by_rank[rank];
      reaches_[shard] = rank;
    }
  }
}

ShardPlan ShardPlan::make(std::span<const CellPiece> pieces, MatrixView centroids,
                          const RowCells& row_cells, uint64_t rows_max) {
  uint64_t rows = 0;
  for (const CellPiece& piece : pieces) rows += piece.count;
  Bisection bisection(pieces, centroids);
  ShardPlan plan(pieces, row_cells);
  const size_t count_least = static_cast<size_t>(rows / rows_max) + 1;
  for (size_t count = count_least;;) {
    count = std::min(count, pieces.size());
    plan.assign(bisection.cut(count), rows_max);
    if (count == pieces.size() || plan.rows_wanted_ <= rows_max) break;
    if (plan.is_fit_ && count >= kWorthMost * count_least) break;
    // What lies beyond edges grows with their number: this is rarely too many.
    const double missing = static_cast<double>(plan.rows_wanted_) / static_cast<double>(rows_max);
    count += 1 + static_cast<size_t>(static_cast<double>(count) * std::min(missing - 1, 0.5));
  }
  return plan;
}

}  // namespace roxanne::index
