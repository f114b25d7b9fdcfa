// Which cells are linked together where memory does not hold them all: shards, each with a halo of
// cells beyond its edge.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/cell_neighbours.h"
#include "roxanne/types.h"

namespace roxanne::index {

// Consecutive rows of one cell: all of them, or part of a cell of very many.
struct CellPiece {
  uint32_t first = 0;  // dense number
  uint32_t count = 0;
  uint32_t cell = 0;
};

inline constexpr uint32_t kPieceRowsMax = 512;

// `cell_starts`: the dense number where each cell begins, and the end. Empty cells have no pieces.
std::vector<CellPiece> cut_cells(std::span<const uint32_t> cell_starts);

// Numbers of pieces, ascending.
struct Shard {
  std::vector<uint32_t> owned;  // whose rows get edges
  std::vector<uint32_t> halo;   // whose rows are there to be pointed at
};

struct ShardBudget {
  uint64_t memory_bytes = 0;
  uint64_t owned_row_bytes = 0;
  uint64_t halo_row_bytes = 0;
  size_t halo_cells = 0;  // near cells of each owned one that belong to the halo

  uint64_t bytes(uint64_t owned_rows, uint64_t halo_rows) const {
    return owned_rows * owned_row_bytes + halo_rows * halo_row_bytes;
  }
};

// Owns every piece in one shard. As few shards as were found to fit the budget, of about equal
// size, their cells near each other. A shard of one piece is made where even that does not fit.
std::vector<Shard> plan_shards(std::span<const CellPiece> pieces, MatrixView centroids,
                               const CellNeighbours& neighbours, const ShardBudget& budget);

uint64_t rows_of(std::span<const CellPiece> pieces, std::span<const uint32_t> numbers);

}  // namespace roxanne::index
