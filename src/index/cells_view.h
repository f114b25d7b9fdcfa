// Rows that lie in the order of their cells, as those who link them see the cells.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "roxanne/types.h"

namespace roxanne::index {

struct CellsView {
  // Dense number of the row where each cell begins, and the end. Cells may be empty.
  std::span<const uint32_t> starts;
  // f32, one a cell, in any space where nearness is L2.
  MatrixView centroids;
  // Writes rows as vectors of that space, row-major; called by many threads at once. Empty: the
  // space is the rows' own.
  std::function<void(MatrixView rows, float* out)> map_rows;
};

}  // namespace roxanne::index
