// The kernels' bodies, run thread by thread, against brute force and the processor's own stages:
// sizes that are no multiple of a tile, ties, equal points, nothing at all.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "accel/emulated_engine.h"
#include "graph/nearest_rows.h"
#include "graph/points.h"
#include "graph/robust_prune.h"

namespace roxanne::accel {
namespace {

struct Codes {
  std::vector<uint8_t> bytes;
  size_t count;
  size_t dim;
  ScalarType type;
  MatrixView view() const { return {type, bytes.data(), count, dim}; }
};

// `values`: different codes at most; few of them make many ties.
Codes random_codes(size_t count, size_t dim, ScalarType type, uint32_t values, uint32_t seed) {
  std::mt19937 random(seed);
  Codes codes{std::vector<uint8_t>(count * dim), count, dim, type};
  for (uint8_t& code : codes.bytes) code = static_cast<uint8_t>(255 - random() % values);
  for (size_t i = 0; i + 7 < count; i += 7) {  // equal points
    std::copy_n(codes.bytes.begin() + static_cast<ptrdiff_t>(i * dim), dim,
                codes.bytes.begin() + static_cast<ptrdiff_t>((i + 3) * dim));
  }
  return codes;
}

EngineShape shape_of(const Codes& codes) {
  return {.dim = codes.dim,
          .code_type = codes.type,
          .batch_rows = codes.count + 1,
          .cell_rows = codes.count,
          .k_max = kNearestMax,
          .link_neighbours = 4,
          .max_degree = 64};
}

void stage_rows(Engine& engine, const graph::PointBlock& block) {
  const Stage stage = engine.stage();
  for (size_t i = 0; i < block.rows(); ++i) {
    std::copy_n(block.row(i), block.dim(), stage.codes + i * stage.stride);
    stage.norms[i] = block.norms()[i];
  }
}

graph::PointBlock gathered(const graph::Points& points, std::vector<uint32_t> ids) {
  graph::PointBlock block;
  points.gather(ids, block);
  return block;
}

std::vector<uint32_t> numbers(size_t count) {
  std::vector<uint32_t> ids(count);
  std::iota(ids.begin(), ids.end(), 0u);
  return ids;
}

std::vector<QueryTile> tiles_of(uint32_t query_first, uint32_t query_count, uint32_t row_first,
                                uint32_t row_count) {
  std::vector<QueryTile> tiles;
  for (uint32_t q = 0; q < query_count; q += kTileQueries) {
    tiles.push_back(
        {query_first + q, std::min(kTileQueries, query_count - q), row_first, row_count});
  }
  return tiles;
}

struct Case {
  ScalarType type;
  uint32_t query_count;
  uint32_t row_count;
  uint32_t dim;
  uint32_t k;
  bool skip_self;
  uint32_t values;
};

// Rows follow the queries, or with skip_self are the queries.
void expect_as_processor(const Case& c, uint32_t seed) {
  const Codes codes = random_codes(c.skip_self ? c.row_count : c.query_count + c.row_count, c.dim,
                                   c.type, c.values, seed);
  const graph::Points points(codes.view(), Metric::kL2);
  EmulatedEngine engine(shape_of(codes));
  stage_rows(engine, gathered(points, numbers(codes.count)));
  const uint32_t row_first = c.skip_self ? 0 : c.query_count;
  const auto tiles = tiles_of(0, c.skip_self ? c.row_count : c.query_count, row_first, c.row_count);
  std::span<const uint32_t> found;
  ASSERT_TRUE(
      engine
          .nearest({.row_count = codes.count, .tiles = tiles, .k = c.k, .skip_self = c.skip_self},
                   found)
          .is_ok());
  EXPECT_EQ(engine.faults().count, 0u) << engine.faults().first;

  std::vector<uint32_t> row_ids = numbers(codes.count);
  row_ids.erase(row_ids.begin(), row_ids.begin() + row_first);
  graph::NearestRows nearest(points.code_type());
  nearest.set_rows(gathered(points, row_ids));
  std::vector<graph::NearRow> expected;
  const uint32_t query_count = c.skip_self ? c.row_count : c.query_count;
  nearest.find(gathered(points, numbers(query_count)), {.k = c.k, .skip_self = c.skip_self},
               expected);
  for (size_t i = 0; i < expected.size(); ++i) {
    const uint32_t row = expected[i].row == graph::kNoRow ? kNoRow : expected[i].row + row_first;
    ASSERT_EQ(found[i], row) << "query " << i / c.k << " place " << i % c.k << " rows "
                             << c.row_count << " dim " << c.dim << " k " << c.k;
  }
}

TEST(NearestTileTest, FindsWhatTheProcessorFindsInEverySize) {
  uint32_t seed = 0;
  for (const ScalarType type : {ScalarType::kU8, ScalarType::kI8}) {
    for (const uint32_t rows : {1u, 2u, 7u, 63u, 64u, 65u, 130u}) {
      for (const uint32_t dim : {1u, 15u, 16u, 31u, 33u, 96u, 128u, 129u, 300u}) {
        expect_as_processor({type, 70, rows, dim, std::min(rows, 3u), false, 256}, ++seed);
      }
    }
    for (const uint32_t queries : {1u, 8u, 17u, 64u, 129u}) {
      expect_as_processor({type, queries, 100, 40, 10, false, 256}, ++seed);
    }
  }
}

TEST(NearestTileTest, BreaksTiesAsTheProcessorDoes) {
  uint32_t seed = 100;
  for (const uint32_t k : {1u, 2u, 3u, 4u, 5u, 10u, 16u}) {
    for (const uint32_t values : {1u, 2u, 3u}) {
      expect_as_processor({ScalarType::kU8, 0, 150, 8, k, true, values}, ++seed);
      expect_as_processor({ScalarType::kU8, 90, 150, 8, k, false, values}, ++seed);
    }
  }
}

TEST(NearestTileTest, LeavesPlacesEmptyWhereThereAreTooFewRows) {
  for (const uint32_t rows : {1u, 2u, 3u}) {
    expect_as_processor({ScalarType::kI8, 0, rows, 20, 4, true, 256}, rows);
  }
}

TEST(NearestTileTest, HoldsTheGreatestSumsOfTheLongestVectors) {
  Codes codes{std::vector<uint8_t>(3 * kDimMax, 255), 3, kDimMax, ScalarType::kU8};
  std::fill_n(codes.bytes.begin(), kDimMax, uint8_t{0});
  codes.bytes[2 * kDimMax] = 254;
  const graph::Points points(codes.view(), Metric::kL2);
  EmulatedEngine engine(shape_of(codes));
  stage_rows(engine, gathered(points, numbers(3)));
  std::span<const uint32_t> found;
  const auto tiles = tiles_of(0, 3, 0, 3);
  ASSERT_TRUE(
      engine.nearest({.row_count = 3, .tiles = tiles, .k = 2, .skip_self = true}, found).is_ok());
  EXPECT_EQ(std::vector<uint32_t>(found.begin(), found.end()),
            (std::vector<uint32_t>{2, 1, 2, 0, 1, 0}));
}

TEST(LinkTest, RowsOfACellAreLinkedBothWaysWhereTheSourceCounts) {
  const Codes codes = random_codes(100, 24, ScalarType::kU8, 256, 5);
  const graph::Points points(codes.view(), Metric::kL2);
  EmulatedEngine engine(shape_of(codes));
  stage_rows(engine, gathered(points, numbers(100)));
  ASSERT_TRUE(engine.load_cell(0, 100).is_ok());
  // Two leaves in one batch, of every second row and of every third.
  std::vector<std::vector<uint32_t>> leaves(2);
  for (uint32_t i = 0; i < 100; i += 2) leaves[0].push_back(i);
  for (uint32_t i = 0; i < 100; i += 3) leaves[1].push_back(i);
  const Stage stage = engine.stage();
  std::vector<QueryTile> tiles;
  uint32_t rows = 0;
  constexpr uint32_t kSources = 40, kK = 3;
  std::vector<uint64_t> expected;
  for (const auto& leaf : leaves) {
    const auto size = static_cast<uint32_t>(leaf.size());
    const auto leaf_tiles = tiles_of(rows, size, rows, size);
    tiles.insert(tiles.end(), leaf_tiles.begin(), leaf_tiles.end());
    graph::NearestRows nearest(points.code_type());
    const graph::PointBlock block = gathered(points, leaf);
    nearest.set_rows(block);
    std::vector<graph::NearRow> near;
    nearest.find(block, {.k = kK, .skip_self = true}, near);
    for (size_t i = 0; i < near.size(); ++i) {
      const uint64_t one = 1000 + leaf[i / kK], other = 1000 + leaf[near[i].row];
      if (one < 1000 + kSources) expected.push_back(one << 32 | other);
      if (other < 1000 + kSources) expected.push_back(other << 32 | one);
    }
    for (const uint32_t id : leaf) {
      stage.members[rows] = id;
      stage.ids[rows++] = 1000 + id;
    }
  }
  std::sort(expected.begin(), expected.end());
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  std::vector<uint64_t> edges;
  ASSERT_TRUE(
      engine
          .link({.row_count = rows, .is_of_cell = true, .tiles = tiles, .k = kK, .skip_self = true},
                1000 + kSources, edges)
          .is_ok());
  EXPECT_EQ(edges, expected);
  EXPECT_EQ(engine.faults().count, 0u) << engine.faults().first;
}

TEST(NodePrunerTest, KeepsWhatTheProcessorKeeps) {
  std::mt19937 random(4);
  for (const ScalarType type : {ScalarType::kU8, ScalarType::kI8}) {
    for (const uint32_t values : {2u, 30u, 256u}) {
      for (const bool fill : {false, true}) {
        const Codes codes = random_codes(400, 37, type, values, values);
        const graph::Points points(codes.view(), Metric::kL2);
        EngineShape shape = shape_of(codes);
        shape.batch_rows = 2000;
        EmulatedEngine engine(shape);
        const PruneRule rule{.max_degree = 12, .alpha_1000 = 1200, .fill = fill};
        graph::RobustPrune pruner(points, {rule.max_degree, rule.alpha_1000, fill});
        std::vector<PruneNode> nodes;
        std::vector<std::vector<uint32_t>> candidates;
        graph::PointBlock all;
        std::vector<uint32_t> ids;
        for (const uint32_t count : {0u, 1u, 2u, 3u, 31u, 32u, 33u, 100u, 129u, 255u, 256u}) {
          std::vector<uint32_t> chosen = numbers(399);
          std::shuffle(chosen.begin(), chosen.end(), random);
          chosen.resize(count);
          std::sort(chosen.begin(), chosen.end());
          nodes.push_back({static_cast<uint32_t>(ids.size()), count});
          ids.insert(ids.end(), chosen.begin(), chosen.end());
          ids.push_back(399);
          candidates.push_back(chosen);
        }
        points.gather(ids, all);
        stage_rows(engine, all);
        std::span<const uint32_t> kept;
        ASSERT_TRUE(engine.prune(ids.size(), nodes, rule, kept).is_ok());
        EXPECT_EQ(engine.faults().count, 0u) << engine.faults().first;
        for (size_t n = 0; n < nodes.size(); ++n) {
          const auto found = pruner.prune(399, candidates[n]);
          std::vector<uint32_t> expected(found.begin(), found.end());
          std::vector<uint32_t> got;
          for (size_t i = 0; i < rule.max_degree; ++i) {
            const uint32_t number = kept[n * rule.max_degree + i];
            if (number != kNoRow) got.push_back(candidates[n][number]);
          }
          ASSERT_EQ(got, expected) << "candidates " << nodes[n].count << " values " << values;
        }
      }
    }
  }
}

// What the emulation is for is not there to pass everything.
TEST(EmulatedExecutionTest, SeesAMissingBarrierAndMemoryThatNobodyWrote) {
  using Exec = EmulatedExecution<uint8_t, kWarpThreads>;
  EmulatedFaults faults;
  Exec exec(faults, false);
  Exec::Shared<uint32_t, 32> memory;
  exec.each([&](int thread) { exec.store(memory, thread, thread, uint32_t(thread)); });
  exec.sync();
  exec.each([&](int thread) { exec.load(memory, thread, thread ^ 1); });
  EXPECT_EQ(faults.count, 0u);
  exec.each([&](int thread) { exec.store(memory, thread, thread, 7u); });
  EXPECT_EQ(faults.count, 32u) << "written over while another thread may still read";
  exec.each([&](int thread) { exec.load(memory, thread, thread ^ 1); });
  EXPECT_EQ(faults.count, 64u) << "read with no barrier after the write";
  Exec::Shared<uint32_t, 1> untouched;
  exec.read(untouched, 0);
  EXPECT_EQ(faults.count, 65u);
}

}  // namespace
}  // namespace roxanne::accel
