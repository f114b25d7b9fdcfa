// Which rows are linked together where memory does not hold them all: shards of cells near each
// other, each with the rows of other cells that lie close to its own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/row_cells.h"
#include "roxanne/types.h"

namespace roxanne::index {

// Consecutive rows of one cell: all of them, or part of a cell of very many.
struct CellPiece {
  uint32_t first = 0;  // dense number
  uint32_t count = 0;
  uint32_t cell = 0;
};

inline constexpr uint32_t kPieceRowsMax = 512;

// In order. Empty cells have no pieces.
std::vector<CellPiece> cut_cells(std::span<const uint32_t> cell_starts);

// Every piece is owned by one shard; a row belongs to its piece's shard, and to those that own the
// cells nearest to it. Rows near the border of two shards so meet in at least one of them.
class ShardPlan {
 public:
  // As few shards, of about equal size, as were found to have at most rows_max rows each. Where
  // there would be too many, some look less far beyond their edge. rows_max >= kPieceRowsMax.
  static ShardPlan make(std::span<const CellPiece> pieces, MatrixView centroids,
                        const RowCells& row_cells, uint64_t rows_max);

  size_t shard_count() const { return reaches_.size(); }
  uint64_t row_count(uint32_t shard) const { return row_counts_[shard]; }
  // The pieces, ascending, of which some row may belong to a shard; no other's does.
  std::span<const uint32_t> pieces_of(uint32_t shard) const { return reached_[shard]; }
  bool belongs(uint32_t piece, uint32_t row, uint32_t shard) const;

 private:
  ShardPlan(std::span<const CellPiece> pieces, const RowCells& row_cells);

  // Calls visit(shard, rank) for each shard that is near a row, nearest first, each once. Rank 0
  // is the row's own. The next piece of its own cell comes before other cells, so that pieces of a
  // cell of very many rows are linked to each other.
  template <typename Visit>
  void for_each_shard(uint32_t piece, uint32_t row, const Visit& visit) const;
  void assign(const std::vector<std::vector<uint32_t>>& sets, uint64_t rows_max);
  uint32_t next_of_cell(uint32_t piece) const;

  static constexpr size_t kRanksMax = 1 + 1 + CellNeighbours::kMostNeighbours;

  std::span<const CellPiece> pieces_;
  const RowCells& row_cells_;
  std::vector<uint32_t> first_pieces_;          // of each cell, and the end
  std::vector<uint32_t> owners_;                // of each piece
  std::vector<size_t> reaches_;                 // of each shard: the greatest rank that belongs
  std::vector<uint64_t> row_counts_;            // of each shard
  std::vector<std::vector<uint32_t>> reached_;  // pieces of each shard
  bool is_fit_ = false;                         // every shard can hold what it owns
  uint64_t rows_wanted_ = 0;  // of the shard that would have most, did it look as far as it may
};

}  // namespace roxanne::index
