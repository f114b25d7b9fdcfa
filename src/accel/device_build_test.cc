// Whole builds on emulated engines: the processor's graph to the bit, whatever the size of batches
// and cells, and no graph at all from a device that fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "accel/device_build.h"
#include "accel/emulated_engine.h"
#include "graph/random_ids.h"
#include "graph/test_points.h"

namespace roxanne::accel {
namespace {

struct Built {
  graph::Adjacency adjacency;
  graph::GraphCounts counts;
};

graph::GraphOptions small_leaves(size_t threads) {
  graph::GraphOptions options;
  options.leaf_neighbours = 2;
  options.thread_count = threads;
  options.prune.fill = true;
  options.partition.leaf_points_max = 48;
  options.partition.leaf_points_min = 8;
  options.partition.leader_fraction = 0.02;
  options.partition.fanout_first = 5;
  return options;
}

std::vector<uint32_t> entries_of(const graph::Points& points) {
  return graph::random_ids(static_cast<uint32_t>(points.count()),
                           std::min<size_t>(points.count(), 16), 9);
}

size_t nodes_of(const graph::Points& points, const graph::GraphOptions& options) {
  return options.source_count == 0 ? points.count() : options.source_count;
}

Built on_processor(const graph::Points& points, const graph::GraphOptions& options) {
  Built built{graph::Adjacency(nodes_of(points, options), options.prune.max_degree), {}};
  base::ThreadPool pool(0);
  EXPECT_EQ(build_graph(points, pool, options, entries_of(points), built.adjacency, built.counts),
            graph::GraphOutcome::kDone);
  return built;
}

EngineShape shape_of(const graph::Points& points, const graph::GraphOptions& options,
                     size_t batch_rows, size_t cell_rows) {
  return {.dim = points.dim(),
          .code_type = points.code_type(),
          .batch_rows = std::max(batch_rows, batch_rows_least(options)),
          .cell_rows = cell_rows,
          .k_max = kNearestMax,
          .link_neighbours = options.leaf_neighbours,
          .max_degree = options.prune.max_degree};
}

void expect_equal(const Built& a, const Built& b) {
  ASSERT_EQ(a.adjacency.node_count(), b.adjacency.node_count());
  for (uint32_t node = 0; node < a.adjacency.node_count(); ++node) {
    const auto one = a.adjacency.neighbours(node), other = b.adjacency.neighbours(node);
    ASSERT_EQ(std::vector<uint32_t>(one.begin(), one.end()),
              std::vector<uint32_t>(other.begin(), other.end()))
        << "node " << node;
  }
  EXPECT_EQ(a.counts.partition_distances, b.counts.partition_distances);
  EXPECT_EQ(a.counts.leaf_distances, b.counts.leaf_distances);
  EXPECT_EQ(a.counts.candidates, b.counts.candidates);
  EXPECT_EQ(a.counts.edges, b.counts.edges);
  EXPECT_EQ(a.counts.mended, b.counts.mended);
}

// Returns the cells that engines were sent.
size_t expect_same_graph(const graph::Points& points, const graph::GraphOptions& options,
                         size_t batch_rows, size_t cell_rows) {
  const Built expected = on_processor(points, options);
  Built built{graph::Adjacency(nodes_of(points, options), options.prune.max_degree), {}};
  Engines engines;
  for (size_t i = 0; i < options.thread_count; ++i) {
    // No two the same, as devices may differ.
    engines.push_back(std::make_unique<EmulatedEngine>(
        shape_of(points, options, batch_rows / (i + 1), cell_rows)));
  }
  base::ThreadPool pool(options.thread_count - 1);
  const auto outcome = build_on_engines(points, pool, options, entries_of(points), engines,
                                        built.adjacency, built.counts);
  EXPECT_TRUE(outcome.is_ok()) << outcome.status().to_string();
  if (!outcome.is_ok()) return 0;
  EXPECT_EQ(*outcome, graph::GraphOutcome::kDone);
  expect_equal(expected, built);
  size_t cells_loaded = 0;
  for (const auto& engine : engines) {
    const auto& emulated = static_cast<const EmulatedEngine&>(*engine);
    EXPECT_EQ(emulated.faults().count, 0u) << emulated.faults().first;
    cells_loaded += emulated.cells_loaded();
  }
  return cells_loaded;
}

TEST(DeviceBuildTest, MakesTheProcessorsGraphOfIntegers) {
  const graph::TestRows rows = graph::clustered_rows(3000, 20, 1, 60);
  const graph::Points points(rows.view(), Metric::kL2);
  EXPECT_GT(expect_same_graph(points, small_leaves(1), 10000, 3000), 0u);
  EXPECT_GT(expect_same_graph(points, small_leaves(2), 10000, 3000), 0u);
  EXPECT_GT(expect_same_graph(points, small_leaves(3), 1500, 3000), 0u);
  const graph::Points signed_points(
      MatrixView::i8(reinterpret_cast<const int8_t*>(rows.bytes.data()), 3000, 20), Metric::kL2);
  EXPECT_GT(expect_same_graph(signed_points, small_leaves(1), 10000, 3000), 0u);
}

TEST(DeviceBuildTest, BatchesThatHoldPartOfAGroupMakeTheSameGraph) {
  const graph::TestRows rows = graph::clustered_rows(3000, 20, 2, 3);
  const graph::Points points(rows.view(), Metric::kL2);
  graph::GraphOptions options = small_leaves(1);
  options.partition.leaders_max = 40;
  // Batches as small as may be; cells on the device, some of them, none.
  EXPECT_GT(expect_same_graph(points, options, 0, 3000), 2u);
  EXPECT_GT(expect_same_graph(points, options, 0, 400), 0u);
  EXPECT_EQ(expect_same_graph(points, options, 0, 0), 0u);
}

TEST(DeviceBuildTest, MakesTheProcessorsGraphOfFloatsUnderEveryMetric) {
  const graph::TestRows rows = graph::clustered_rows(1500, 19, 3, 40);
  std::vector<float> floats(rows.bytes.begin(), rows.bytes.end());
  for (float& value : floats) value = value / 3 - 20;
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    const graph::Points points(MatrixView::f32(floats.data(), 1500, 19), metric);
    EXPECT_EQ(expect_same_graph(points, small_leaves(1), 4000, 1500), 0u);
  }
}

TEST(DeviceBuildTest, EqualPointsAndTinySetsMakeTheSameGraph) {
  graph::TestRows rows = graph::clustered_rows(1200, 16, 4);
  std::fill_n(rows.bytes.begin(), 700 * 16, uint8_t{9});
  expect_same_graph(graph::Points(rows.view(), Metric::kL2), small_leaves(1), 5000, 1200);
  std::fill(rows.bytes.begin(), rows.bytes.end(), uint8_t{9});
  expect_same_graph(graph::Points(rows.view(), Metric::kL2), small_leaves(1), 5000, 1200);
  for (const size_t count : {1u, 2u, 3u, 49u, 100u}) {
    const graph::TestRows few = graph::clustered_rows(count, 8, 5);
    expect_same_graph(graph::Points(few.view(), Metric::kL2), small_leaves(1), 5000, 1200);
  }
}

TEST(DeviceBuildTest, EdgesOfTheSourcesAloneAreTheSame) {
  const graph::TestRows rows = graph::clustered_rows(2000, 16, 6, 50);
  graph::GraphOptions options = small_leaves(1);
  options.source_count = 600;
  expect_same_graph(graph::Points(rows.view(), Metric::kL2), options, 5000, 2000);
}

TEST(DeviceBuildTest, AFailingDeviceEndsTheBuildWithItsMessage) {
  const graph::TestRows rows = graph::clustered_rows(1000, 16, 7, 50);
  const graph::Points points(rows.view(), Metric::kL2);
  const graph::GraphOptions options = small_leaves(1);
  for (const size_t calls : {0u, 1u, 3u, 10u, 30u}) {
    Engines engines;
    auto engine = std::make_unique<EmulatedEngine>(shape_of(points, options, 5000, 1000));
    engine->fail_after(calls);
    engines.push_back(std::move(engine));
    Built built{graph::Adjacency(points.count(), options.prune.max_degree), {}};
    base::ThreadPool pool(0);
    const auto outcome = build_on_engines(points, pool, options, entries_of(points), engines,
                                          built.adjacency, built.counts);
    ASSERT_FALSE(outcome.is_ok()) << calls;
    EXPECT_EQ(outcome.status().code(), StatusCode::kIoError);
  }
}

TEST(DeviceBuildTest, StopsWhenAsked) {
  const graph::TestRows rows = graph::clustered_rows(1000, 16, 8, 50);
  const graph::Points points(rows.view(), Metric::kL2);
  for (const std::string_view last : {"partition", "prune"}) {
    graph::GraphOptions options = small_leaves(1);
    options.advance = [&](const char* phase, double) { return phase != last; };
    Engines engines;
    engines.push_back(std::make_unique<EmulatedEngine>(shape_of(points, options, 5000, 1000)));
    Built built{graph::Adjacency(points.count(), options.prune.max_degree), {}};
    base::ThreadPool pool(0);
    const auto outcome = build_on_engines(points, pool, options, entries_of(points), engines,
                                          built.adjacency, built.counts);
    ASSERT_TRUE(outcome.is_ok());
    EXPECT_EQ(*outcome, graph::GraphOutcome::kStopped);
  }
}

}  // namespace
}  // namespace roxanne::accel
