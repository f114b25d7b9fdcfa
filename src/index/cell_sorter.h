// Sorts the rows of one group into cells, and the rows of each cell into pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/cell_packing.h"
#include "index/search_space.h"
#include "roxanne/types.h"

namespace roxanne::index {

struct SortedGroup {
  std::vector<uint32_t> order;       // row numbers, cell after cell, page after page
  std::vector<uint32_t> cell_sizes;  // in rows
  std::vector<float> centroids;      // a row a cell
  std::vector<float> offsets;        // a cell's mean
};

// One thread's.
class CellSorter {
 public:
  // Rows in a cell: about so many, and never more than twice kCellRowsMost.
  static constexpr size_t kCellRows = 200;
  static constexpr size_t kCellRowsMost = 800;

  // Without packing, the rows of a cell stay in their order.
  CellSorter(const SearchSpace& space, size_t page_rows, bool packs_cells = true)
      : space_(space), page_rows_(page_rows), packs_cells_(packs_cells) {}

  // At least one row. Deterministic for a seed.
  SortedGroup sort(MatrixView rows, uint64_t seed);

 private:
  void assign(size_t cluster_count, uint64_t seed);
  void add_cell(const std::vector<uint32_t>& members, SortedGroup& group);

  const SearchSpace& space_;
  const size_t page_rows_;
  const bool packs_cells_;
  CellPacker packer_;
  std::vector<float> places_;   // of the rows, in the search space
  std::vector<float> offsets_;  // of the rows
  std::vector<uint32_t> cells_;
  std::vector<float> members_;  // places of one cell's rows
};

}  // namespace roxanne::index
