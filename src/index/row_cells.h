// For each row the few cells, beside its own, whose centroids are nearest: they say in which shards
// it is linked.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/thread_pool.h"
#include "index/cell_neighbours.h"
#include "index/cells_view.h"
#include "index/ordered_rows.h"
#include "roxanne/status.h"

namespace roxanne::index {

class RowCells {
 public:
  struct Options {
    size_t count = 3;  // cells for each row
    size_t thread_count = 1;
  };

  // Looks among the neighbours of a row's own cell. `neighbours` outlive the result.
  static Result<RowCells> find(const OrderedRows& rows, const CellsView& cells,
                               const CellNeighbours& neighbours, base::ThreadPool& pool,
                               const Options& options);

  size_t count() const { return count_; }
  size_t cell_count() const { return neighbours_->cell_count(); }
  // The near cell number `i` < count() of a row of `cell`, nearest first; CellNeighbours::kNone
  // where there are no more.
  uint32_t near(size_t row, uint32_t cell, size_t i) const {
    const uint8_t place = places_[row * count_ + i];
    return place == kNoPlace ? CellNeighbours::kNone : neighbours_->of(cell)[place];
  }

 private:
  static constexpr uint8_t kNoPlace = std::numeric_limits<uint8_t>::max();
  class Lane;

  RowCells(const CellNeighbours& neighbours, size_t row_count, size_t count)
      : neighbours_(&neighbours), count_(count), places_(row_count * count, kNoPlace) {}

  const CellNeighbours* neighbours_;
  size_t count_;
  std::vector<uint8_t> places_;  // among the neighbours of the row's cell
};

}  // namespace roxanne::index
