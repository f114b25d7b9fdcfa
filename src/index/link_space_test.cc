// The space in which edges are chosen: a point has about the same place whether it comes from its
// row or from its code.
#include "index/link_space.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "index/test_disk_index.h"

namespace roxanne::index {
namespace {

constexpr size_t kLinkDim = 40;

class LinkSpaceTest : public testing::Test {
 protected:
  using Point = std::vector<std::byte>;

  // Of each node of an index the point from its row and the one from its code.
  static void both(DiskIndex& index, const NamedRows& rows, LinkSpace& space,
                   std::vector<Point>& from_rows, std::vector<Point>& from_codes) {
    const DiskGraph& graph = index.graph();
    for (const uint32_t slot : rows.slots) {
      const uint32_t node = graph.node_of(slot);
      ASSERT_NE(node, kNoNode);
      const size_t row = NamedRows::row_of_slot(slot);
      from_rows.emplace_back(space.point_bytes());
      space.of_row(rows.rows.view().row(row), from_rows.back().data());
      from_codes.emplace_back(space.point_bytes());
      space.of_code(graph.code_of(node), graph.page_cells[graph.page_of(node)],
                    from_codes.back().data());
    }
  }

  storage::TestDirectory directory_;
};

TEST_F(LinkSpaceTest, RowsAndCodesAgree) {
  for (const ScalarType type : kAllTypes) {
    for (const Metric metric : kAllMetrics) {
      SCOPED_TRACE(name_of(type, metric));
      const NamedRows rows(make_test_rows(type, 1000, kLinkDim, 1));
      const auto index = build_disk(storage::posix_file_system(), directory_.path(), rows, metric);
      ASSERT_TRUE(index.is_ok()) << index.status().to_string();
      LinkSpace space((*index)->graph());
      const bool is_integer = type == ScalarType::kU8 || type == ScalarType::kI8;
      EXPECT_EQ(space.type(), is_integer && metric == Metric::kL2 ? type : ScalarType::kF32);
      std::vector<Point> from_rows, from_codes;
      both(**index, rows, space, from_rows, from_codes);
      double error = 0, apart = 0;
      for (size_t i = 0; i < from_rows.size(); ++i) {
        error += space.distance(from_rows[i].data(), from_codes[i].data());
        apart += space.distance(from_rows[i].data(), from_rows[(i + 1) % from_rows.size()].data());
      }
      EXPECT_LT(error, 0.05 * apart);
    }
  }
}

// Integers are the vectors themselves.
TEST_F(LinkSpaceTest, DistancesOfIntegersAreExact) {
  for (const ScalarType type : {ScalarType::kU8, ScalarType::kI8}) {
    const NamedRows rows(make_test_rows(type, 500, kLinkDim, 1));
    const auto index =
        build_disk(storage::posix_file_system(), directory_.path(), rows, Metric::kL2);
    ASSERT_TRUE(index.is_ok()) << index.status().to_string();
    LinkSpace space((*index)->graph());
    for (size_t i = 1; i < 100; ++i) {
      Point a(space.point_bytes()), b(space.point_bytes());
      space.of_row(rows.rows.view().row(0), a.data());
      space.of_row(rows.rows.view().row(i), b.data());
      float sum = 0;
      for (size_t d = 0; d < kLinkDim; ++d) {
        const auto value = [&](size_t row) {
          const std::byte byte = rows.rows.view().row(row)[d];
          return type == ScalarType::kU8 ? static_cast<int>(byte) : static_cast<int8_t>(byte);
        };
        const int difference = value(0) - value(i);
        sum += static_cast<float>(difference * difference);
      }
      EXPECT_EQ(space.distance(a.data(), b.data()), sum);
    }
  }
}

}  // namespace
}  // namespace roxanne::index
