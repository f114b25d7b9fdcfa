// What fuzzers of a disk graph's files have in common.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/status_macros.h"
#include "index/disk_graph.h"

namespace roxanne::fuzz {

inline const CollectionOptions kOptions = {.dim = 4, .type = ScalarType::kU8};

// What a search does with a graph before it reads pages.
inline void look_up(const index::DiskGraph& graph) {
  const std::byte query[4] = {};
  index::SearchSpace::Query place;
  graph.space.map_query(VectorView(kOptions.type, query, kOptions.dim), place);
  quantize::CellCode::Query code;
  code.prepare(graph.code, place.place());
  index::Cells::Scratch scratch;
  std::vector<index::NearCell> found;
  graph.cells.nearest(place.place(), graph.cells.cell_count(), scratch, found);
  float sum = 0;
  for (const index::NearCell& near : found) {
    const float base = graph.code_base(place.place(), near.cell);
    for (const uint32_t page : graph.cell_pages[near.cell]) {
      ROX_CHECK(graph.page_cells[page] == near.cell);
      const uint32_t first = page * graph.layout.nodes;
      for (uint32_t node = first; node < first + graph.layout.nodes; ++node) {
        sum += code.estimate(graph.code_of(node), base);
      }
    }
  }
  volatile float used = sum;
  (void)used;
  uint32_t nodes = 0;
  for (const uint32_t node : graph.node_of_slot) {
    if (node == index::kNoNode) continue;
    ROX_CHECK(node < graph.place_count());
    ++nodes;
  }
  ROX_CHECK(nodes == graph.shape.node_count);
}

}  // namespace roxanne::fuzz
