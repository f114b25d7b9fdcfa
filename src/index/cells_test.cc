// The way to the cells nearest to a query.
#include "index/cells.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <vector>

#include "base/f16.h"

namespace roxanne::index {
namespace {

constexpr size_t kCellDim = 12;

// Groups around random places, cells around those.
Cells make_cells(size_t groups, size_t cells_each, bool has_offsets, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> values;
  Cells cells(kCellDim);
  std::vector<float> group(kCellDim), cell(kCellDim);
  for (size_t g = 0; g < groups; ++g) {
    for (float& value : group) value = values(random);
    cells.add_group(group.data());
    const size_t count = cells_each == 0 ? 0 : random() % (2 * cells_each);
    for (size_t c = 0; c < count; ++c) {
      for (size_t d = 0; d < kCellDim; ++d) cell[d] = group[d] + 0.3f * values(random);
      cells.add_cell(static_cast<uint32_t>(g), cell.data(),
                     has_offsets ? std::abs(values(random)) * 0.3f : 0);
    }
  }
  return cells;
}

std::vector<float> make_query(uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> values;
  std::vector<float> query(kCellDim);
  for (float& value : query) value = values(random);
  return query;
}

std::vector<NearCell> by_comparing(const Cells& cells, const float* query) {
  std::vector<NearCell> all;
  for (uint32_t cell = 0; cell < cells.cell_count(); ++cell) {
    all.push_back({cells.distance(query, cell) + cells.offset(cell), cell});
  }
  std::sort(all.begin(), all.end());
  return all;
}

TEST(Cells, AllOfThemComeInOrder) {
  for (const bool has_offsets : {false, true}) {
    const Cells cells = make_cells(30, 8, has_offsets, 1);
    Cells::Scratch scratch;
    std::vector<NearCell> found;
    for (uint32_t q = 0; q < 20; ++q) {
      const auto query = make_query(q);
      cells.nearest(query.data(), cells.cell_count(), scratch, found);
      const auto want = by_comparing(cells, query.data());
      ASSERT_EQ(found.size(), want.size());
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(found[i].cell, want[i].cell);
        ASSERT_EQ(found[i].distance, want[i].distance);
      }
    }
  }
}

TEST(Cells, NearlyAllOfTheNearestAreFoundInFewGroups) {
  const Cells cells = make_cells(200, 10, false, 2);
  Cells::Scratch scratch;
  std::vector<NearCell> found;
  size_t hits = 0;
  constexpr size_t kWanted = 20;
  for (uint32_t q = 0; q < 100; ++q) {
    const auto query = make_query(1000 + q);
    cells.nearest(query.data(), kWanted, scratch, found);
    ASSERT_EQ(found.size(), kWanted);
    ASSERT_TRUE(std::is_sorted(found.begin(), found.end()));
    const auto want = by_comparing(cells, query.data());
    std::set<uint32_t> names;
    for (const NearCell& cell : found) names.insert(cell.cell);
    ASSERT_EQ(names.size(), kWanted) << "each once";
    for (size_t i = 0; i < kWanted; ++i) hits += names.count(want[i].cell);
  }
  EXPECT_GE(hits, 100 * kWanted * 9 / 10);
}

TEST(Cells, CentroidsAreHalvesAndDistancesAreFromThose) {
  const Cells cells = make_cells(3, 4, true, 3);
  const auto query = make_query(4);
  std::vector<float> centroid(kCellDim);
  for (uint32_t cell = 0; cell < cells.cell_count(); ++cell) {
    cells.centroid(cell, centroid.data());
    double sum = 0;
    for (size_t d = 0; d < kCellDim; ++d) {
      EXPECT_EQ(base::f16_to_f32(base::f32_to_f16(centroid[d])), centroid[d]);
      sum += (double{query[d]} - centroid[d]) * (double{query[d]} - centroid[d]);
    }
    EXPECT_NEAR(cells.distance(query.data(), cell), sum, 1e-5 * sum);
  }
}

// One that is out of all proportion is where halves end: it must not be infinitely far.
TEST(Cells, CentroidsBeyondHalvesStayFinite) {
  Cells cells(kCellDim);
  std::vector<float> far(kCellDim, 1e7f), centroid(kCellDim);
  far[1] = -3e38f;
  cells.add_group(far.data());
  cells.add_cell(static_cast<uint32_t>(cells.group_count() - 1), far.data(), 0);
  cells.centroid(0, centroid.data());
  EXPECT_EQ(centroid[0], 65504.0f);
  EXPECT_EQ(centroid[1], -65504.0f);
  Cells::Scratch scratch;
  std::vector<NearCell> found;
  cells.nearest(make_query(3).data(), 1, scratch, found);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(std::isfinite(found[0].distance));
}

TEST(Cells, PartsMakeTheSameCells) {
  const Cells cells = make_cells(5, 6, true, 5);
  const Cells again(kCellDim, cells.parts());
  EXPECT_EQ(again.cell_count(), cells.cell_count());
  EXPECT_EQ(again.group_count(), 5u);
  Cells::Scratch scratch;
  std::vector<NearCell> one, other;
  const auto query = make_query(6);
  cells.nearest(query.data(), 7, scratch, one);
  again.nearest(query.data(), 7, scratch, other);
  ASSERT_EQ(one.size(), other.size());
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].cell, other[i].cell);
}

TEST(Cells, EmptyGroupsAndFewCellsAreNoMatter) {
  Cells cells(kCellDim);
  Cells::Scratch scratch;
  std::vector<NearCell> found;
  const auto query = make_query(7);
  cells.nearest(query.data(), 5, scratch, found);
  EXPECT_TRUE(found.empty());
  const auto centre = make_query(8);
  for (size_t g = 0; g < 20; ++g) cells.add_group(centre.data());
  cells.nearest(query.data(), 5, scratch, found);
  EXPECT_TRUE(found.empty());
  cells.add_cell(static_cast<uint32_t>(cells.group_count() - 1), centre.data(), 0.5f);
  cells.nearest(query.data(), 5, scratch, found);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].distance, cells.distance(query.data(), 0) + 0.5f);
}

}  // namespace
}  // namespace roxanne::index
