#include "index/shard_plan.h"

#include <algorithm>
#include <numeric>

#include "base/status_macros.h"
#include "kernels/distance.h"

namespace roxanne::index {
namespace {

// Of balanced 2-means; cuts hardly move after as many.
constexpr size_t kCutIterations = 8;

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

// Finds halos.
class Surroundings {
 public:
  Surroundings(std::span<const CellPiece> pieces, const CellNeighbours& neighbours,
               size_t halo_cells)
      : pieces_(pieces), neighbours_(neighbours), halo_cells_(halo_cells) {
    for (const CellPiece& piece : pieces) {
      first_pieces_.resize(piece.cell + 2, static_cast<uint32_t>(&piece - pieces.data()));
      first_pieces_[piece.cell + 1] = static_cast<uint32_t>(&piece - pieces.data()) + 1;
    }
  }

  std::vector<uint32_t> halo(std::span<const uint32_t> owned) {
    seen_.assign(pieces_.size(), false);
    for (const uint32_t piece : owned) seen_[piece] = true;
    std::vector<uint32_t> halo;
    for (const uint32_t piece : owned) add_near(piece, halo);
    std::sort(halo.begin(), halo.end());
    return halo;
  }

 private:
  // The rest of the piece's own cell counts as near, so that a cell of very many pieces does not
  // bring all of its neighbours.
  void add_near(uint32_t piece, std::vector<uint32_t>& halo) {
    const uint32_t cell = pieces_[piece].cell;
    size_t left = halo_cells_;
    add_cell(cell, left, halo);
    for (const uint32_t near : neighbours_.of(cell)) {
      if (left == 0 || near == CellNeighbours::kNone) break;
      add_cell(near, left, halo);
    }
  }

  void add_cell(uint32_t cell, size_t& left, std::vector<uint32_t>& halo) {
    if (cell + 1 >= first_pieces_.size()) return;  // empty, as all behind it
    for (uint32_t i = first_pieces_[cell]; i < first_pieces_[cell + 1] && left > 0; ++i) {
      --left;
      if (seen_[i]) continue;
      seen_[i] = true;
      halo.push_back(i);
    }
  }

  std::span<const CellPiece> pieces_;
  const CellNeighbours& neighbours_;
  size_t halo_cells_;
  std::vector<uint32_t> first_pieces_;  // of each cell, and the end
  std::vector<bool> seen_;
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

uint64_t rows_of(std::span<const CellPiece> pieces, std::span<const uint32_t> numbers) {
  uint64_t rows = 0;
  for (const uint32_t number : numbers) rows += pieces[number].count;
  return rows;
}

std::vector<Shard> plan_shards(std::span<const CellPiece> pieces, MatrixView centroids,
                               const CellNeighbours& neighbours, const ShardBudget& budget) {
  uint64_t rows = 0;
  for (const CellPiece& piece : pieces) rows += piece.count;
  Bisection bisection(pieces, centroids);
  Surroundings surroundings(pieces, neighbours, budget.halo_cells);
  size_t count = static_cast<size_t>(budget.bytes(rows, 0) / budget.memory_bytes) + 1;
  while (true) {
    count = std::min(count, pieces.size());
    std::vector<Shard> shards;
    bool is_fit = true;
    for (auto& owned : bisection.cut(count)) {
      std::vector<uint32_t> halo = surroundings.halo(owned);
      is_fit = is_fit &&
               budget.bytes(rows_of(pieces, owned), rows_of(pieces, halo)) <= budget.memory_bytes;
      shards.push_back({std::move(owned), std::move(halo)});
    }
    if (is_fit || count == pieces.size()) return shards;
    count += 1 + count / 8;
  }
}

}  // namespace roxanne::index
