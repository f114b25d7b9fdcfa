// What a search of a disk graph holds in memory: cells, and a code for each place in each page.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/prefetch.h"
#include "index/cells.h"
#include "index/disk_tuning.h"
#include "index/node_page.h"
#include "index/resident_graph.h"
#include "index/search_space.h"
#include "quantize/cell_code.h"
#include "roxanne/options.h"

namespace roxanne::index {

// Numbers that fix every size.
struct DiskShape {
  CollectionOptions options;  // key_type does not matter
  uint32_t node_count = 0;
  uint32_t page_count = 0;  // one past the highest that is in use, or was
  uint32_t max_degree = 0;
  quantize::CellCodeShape code;
  uint32_t group_count = 0;
  uint32_t cell_count = 0;

  NodePageLayout page() const { return {options, max_degree}; }
};

// How far estimates are from exact distances, both in the search space, as shares of the distance
// of the k-th nearest: found when the graph was built.
struct EstimateError {
  float bias = 0;
  float spread = 0;  // standard deviation
};

inline constexpr uint32_t kNoCell = UINT32_MAX;

struct DiskGraph {
  DiskShape shape;
  NodePageLayout layout;  // shape.page(), kept
  ListSizes list_sizes;
  EstimateError error;
  SearchSpace space;
  quantize::CellCode code;
  Cells cells;
  std::vector<std::vector<uint32_t>> cell_pages;  // of each cell
  base::GrowingArray<uint32_t> page_cells;        // cell of each page; kNoCell where it is free
  uint32_t used_pages = 0;                        // those that have a cell
  base::GrowingArray<uint32_t> node_of_slot;      // kNoNode where the graph has no such slot
  base::AlignedBuffer codes;                      // code_bytes() a place

  DiskTuning tuning;  // not kept in files

  // What the codes of a cell's points are relative to: its centroid, and the mean of what is added
  // to their distances; or the origin, and nothing.
  void code_centroid(uint32_t cell, float* out) const {
    if (tuning.codes_residuals) return cells.centroid(cell, out);
    std::fill_n(out, cells.dim(), 0.0f);
  }
  float code_offset(uint32_t cell) const { return tuning.codes_residuals ? cells.offset(cell) : 0; }
  // What estimates of a cell's points begin with: its squared distance from a query.
  float code_base(const float* query, uint32_t cell) const {
    if (tuning.codes_residuals) return cells.distance(query, cell) + cells.offset(cell);
    return std::inner_product(query, query + cells.dim(), query, 0.0f);
  }

  // Where an edge leads; kNoNode where what it led to is gone.
  uint32_t node_of(uint32_t slot) const {
    return slot < node_of_slot.size() ? node_of_slot[slot] : kNoNode;
  }
  // Of the places in pages that have points, the share that is taken.
  double fullness() const {
    const double places = static_cast<double>(used_pages) * layout.nodes;
    return places == 0 ? 1 : shape.node_count / places;
  }
  uint32_t place_count() const { return shape.page_count * layout.nodes; }
  const uint8_t* code_of(uint32_t node) const {
    return reinterpret_cast<const uint8_t*>(codes.data()) + size_t{node} * code.code_bytes();
  }
  uint8_t* code_of(uint32_t node) {
    return reinterpret_cast<uint8_t*>(codes.data()) + size_t{node} * code.code_bytes();
  }
  void prefetch_codes_of(uint32_t node, size_t count = 1) const {
    base::prefetch_bytes(code_of(node), count * code.code_bytes());
  }
  // What node_of() looks at, of all slots in a list of neighbours.
  void prefetch_nodes_of(const uint32_t* neighbours) const {
    for (size_t i = 0; i < layout.max_degree; ++i) {
      if (neighbours[i] < node_of_slot.size()) __builtin_prefetch(&node_of_slot[neighbours[i]]);
    }
  }
  // Has so many pages and slots, or more; new pages are free.
  void grow(uint32_t page_count, uint32_t slot_end) {
    node_of_slot.grow(slot_end, kNoNode);
    if (page_count <= shape.page_count) return;
    const uint32_t first = place_count();
    shape.page_count = page_count;
    page_cells.grow(page_count, kNoCell);
    codes.grow(size_t{place_count()} * code.code_bytes());
    for (uint32_t node = first; node < place_count(); ++node) code.set_vacant(code_of(node));
  }
  // Has so many pages, one or more; those that go are free.
  void shrink(uint32_t page_count) {
    shape.page_count = page_count;
    page_cells.shrink(page_count);
    codes.shrink(size_t{place_count()} * code.code_bytes());
  }
  // Whether no point is at a place.
  bool is_vacant(uint32_t node) const { return code.is_vacant(code_of(node)); }
  uint32_t page_of(uint32_t node) const { return node / layout.nodes; }
  // Points on a page.
  uint32_t count_on(uint32_t page) const {
    uint32_t count = 0;
    for (uint32_t place = 0; place < layout.nodes; ++place) {
      count += is_vacant(page * layout.nodes + place) ? 0 : 1;
    }
    return count;
  }
};

}  // namespace roxanne::index
