// From rows in the order of cells to nodes.
#include "index/page_writer.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace roxanne::index {
namespace {

TEST(PlaceOfRow, FindsThePageOfEachRow) {
  std::mt19937 random(1);
  for (const uint32_t page_nodes : {1u, 3u, 19u, 64u}) {
    for (const size_t pages : {1u, 2u, 50u, 1000u}) {
      std::vector<uint32_t> starts = {0};
      for (size_t p = 0; p < pages; ++p) {
        const uint32_t rows = random() % 3 == 0 ? 1 + random() % page_nodes : page_nodes;
        starts.push_back(starts.back() + rows);
      }
      const PlaceOfRow places(starts, page_nodes);
      for (uint32_t page = 0; page < pages; ++page) {
        for (uint32_t row = starts[page]; row < starts[page + 1]; ++row) {
          ASSERT_EQ(places.node(row), page * page_nodes + row - starts[page]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace roxanne::index
