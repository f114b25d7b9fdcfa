// Which cells are near each other, which are near a row, and what shards are made of it.
#include "index/shard_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "index/test_cells.h"
#include "kernels/distance.h"
#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

std::vector<uint32_t> nearest_by_definition(MatrixView centroids, size_t cell, size_t count) {
  std::vector<std::pair<float, uint32_t>> all;
  for (uint32_t other = 0; other < centroids.rows(); ++other) {
    if (other == cell) continue;
    float distance = 0;
    kernels::kernels().l2_f32(centroids.row(cell), centroids.row(other), 1, centroids.dim(),
                              &distance);
    all.push_back({distance, other});
  }
  std::sort(all.begin(), all.end());
  std::vector<uint32_t> nearest;
  for (size_t i = 0; i < std::min(count, all.size()); ++i) nearest.push_back(all[i].second);
  return nearest;
}

MatrixView view_of(const std::vector<float>& centroids, size_t dim) {
  return MatrixView::f32(centroids.data(), centroids.size() / dim, dim);
}

TEST(CellNeighboursTest, AreNearlyAllOfTheNearest) {
  for (const size_t count : {3u, 300u, 4000u}) {
    const auto bytes = spread_rows(count, 24, 1);
    const std::vector<float> floats(bytes.begin(), bytes.end());
    const MatrixView centroids = view_of(floats, 24);
    base::ThreadPool pool(1);
    const CellNeighbours one(centroids, pool, {.count = 12, .thread_count = 1});
    const CellNeighbours two(centroids, pool, {.count = 12, .thread_count = 2});
    size_t found = 0, wanted = 0;
    for (size_t cell = 0; cell < count; cell += 1 + count / 200) {
      const auto near = one.of(cell);
      ASSERT_TRUE(std::ranges::equal(near, two.of(cell)));
      const auto truth = nearest_by_definition(centroids, cell, 12);
      wanted += truth.size();
      for (const uint32_t other : truth) found += std::count(near.begin(), near.end(), other);
    }
    EXPECT_GE(static_cast<double>(found), 0.93 * static_cast<double>(wanted)) << count;
    if (count == 3) {
      EXPECT_EQ(found, wanted);
      EXPECT_EQ(one.of(0)[2], CellNeighbours::kNone);
    }
  }
}

TEST(CutCellsTest, CellsOfManyRowsHaveSeveralPieces) {
  const std::vector<uint32_t> starts = {0, 0, 10, 10, 10 + kPieceRowsMax + 1};
  const auto pieces = cut_cells(starts);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].cell, 1u);
  EXPECT_EQ(pieces[0].count, 10u);
  EXPECT_EQ(pieces[1].cell, 3u);
  EXPECT_EQ(pieces[1].first + pieces[1].count, pieces[2].first);
  EXPECT_EQ(pieces[2].first + pieces[2].count, starts.back());
}

struct Planned {
  TestCells cells;
  std::vector<CellPiece> pieces;
  storage::SimulatedFileSystem files;
  std::unique_ptr<OrderedRows> rows;
  std::unique_ptr<CellNeighbours> neighbours;
  std::unique_ptr<RowCells> row_cells;

  explicit Planned(TestCells sorted) : cells(std::move(sorted)) {
    base::ThreadPool pool(0);
    pieces = cut_cells(cells.starts);
    rows = cells.ordered(files, "rows").value();
    neighbours =
        std::make_unique<CellNeighbours>(cells.view().centroids, pool, CellNeighbours::Options{});
    row_cells = std::make_unique<RowCells>(
        RowCells::find(*rows, cells.view(), *neighbours, pool, {.count = 3}).value());
  }
  ShardPlan plan(uint64_t rows_max) const {
    return ShardPlan::make(pieces, cells.view().centroids, *row_cells, rows_max);
  }
};

TEST(ShardPlanTest, ShardsHaveWhatTheySayAndNoMoreThanAllowed) {
  const Planned planned(sort_into_cells(spread_rows(20000, 16, 2), 16, 100));
  for (const uint64_t rows_max : {uint64_t{9000}, uint64_t{4000}, uint64_t{kPieceRowsMax}}) {
    const ShardPlan plan = planned.plan(rows_max);
    EXPECT_GT(plan.shard_count(), 20000 / rows_max);
    std::vector<size_t> shards_of(20000);
    for (uint32_t shard = 0; shard < plan.shard_count(); ++shard) {
      uint64_t count = 0;
      for (uint32_t p = 0; p < planned.pieces.size(); ++p) {
        const CellPiece& piece = planned.pieces[p];
        for (uint32_t row = piece.first; row < piece.first + piece.count; ++row) {
          if (!plan.belongs(p, row, shard)) continue;
          const auto reached = plan.pieces_of(shard);
          ASSERT_TRUE(std::binary_search(reached.begin(), reached.end(), p));
          ++shards_of[row];
          ++count;
        }
      }
      EXPECT_EQ(plan.row_count(shard), count);
      EXPECT_LE(count, rows_max);
    }
    for (const size_t shards : shards_of) ASSERT_GE(shards, 1u);
  }
}

TEST(ShardPlanTest, RowsGoWhereTheirNearestCellsAre) {
  const Planned planned(sort_into_cells(spread_rows(5000, 16, 3), 16, 100));
  const auto& centroids = planned.cells.view().centroids;
  size_t agreed = 0, looked_at = 0;
  for (const CellPiece& piece : planned.pieces) {
    const uint32_t row = piece.first;
    std::vector<float> vector(planned.cells.bytes.begin() + row * 16,
                              planned.cells.bytes.begin() + (row + 1) * 16);
    std::vector<std::pair<float, uint32_t>> all;
    for (uint32_t cell = 0; cell < centroids.rows(); ++cell) {
      float distance = 0;
      kernels::kernels().l2_f32(vector.data(), centroids.row(cell), 1, 16, &distance);
      if (cell != piece.cell) all.push_back({distance, cell});
    }
    std::sort(all.begin(), all.end());
    for (size_t i = 0; i < 3; ++i, ++looked_at) {
      agreed += planned.row_cells->near(row, piece.cell, i) == all[i].second ? 1 : 0;
    }
  }
  EXPECT_GE(static_cast<double>(agreed), 0.9 * static_cast<double>(looked_at));
}

// Pieces of one cell are all equally near: neighbours among them must meet nevertheless.
TEST(ShardPlanTest, PiecesOfOneCellAreChained) {
  TestCells cells;
  cells.dim = 4;
  cells.bytes.assign(4 * 5000, 9);
  cells.starts = {0, 5000};
  cells.centroids = {9, 9, 9, 9};
  const Planned planned(std::move(cells));
  const ShardPlan plan = planned.plan(1200);
  EXPECT_GE(plan.shard_count(), 5u);
  for (uint32_t p = 0; p + 1 < planned.pieces.size(); ++p) {
    bool met = false;
    for (uint32_t shard = 0; shard < plan.shard_count(); ++shard) {
      met = met || (plan.belongs(p, planned.pieces[p].first, shard) &&
                    plan.belongs(p + 1, planned.pieces[p + 1].first, shard));
    }
    EXPECT_TRUE(met) << p;
  }
}

}  // namespace
}  // namespace roxanne::index
