// Whole graphs: the same on any number of threads, of known quality, and with nothing out of reach.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <queue>
#include <set>

#include "graph/build.h"
#include "graph/random_ids.h"
#include "graph/reachability.h"
#include "graph/test_points.h"

namespace roxanne::graph {
namespace {

struct Built {
  Adjacency adjacency;
  GraphCounts counts;
  std::vector<uint32_t> entries;
};

Built build(const Points& points, size_t threads, EdgeSpill* spill = nullptr) {
  Built built{Adjacency(points.count(), 32), {}, {}};
  built.entries =
      random_ids(static_cast<uint32_t>(points.count()), std::min<size_t>(points.count(), 32), 9);
  GraphOptions options;
  options.leaf_neighbours = 2;
  options.thread_count = threads;
  options.prune.fill = true;
  options.spill = spill;
  base::ThreadPool pool(threads - 1);
  EXPECT_EQ(build_graph(points, pool, options, built.entries, built.adjacency, built.counts),
            GraphOutcome::kDone);
  return built;
}

void expect_sound(const Built& built) {
  const Adjacency& adjacency = built.adjacency;
  for (uint32_t node = 0; node < adjacency.node_count(); ++node) {
    const auto neighbours = adjacency.neighbours(node);
    const std::set<uint32_t> distinct(neighbours.begin(), neighbours.end());
    ASSERT_EQ(distinct.size(), neighbours.size()) << node;
    ASSERT_EQ(distinct.count(node), 0u) << node;
    for (const uint32_t next : neighbours) ASSERT_LT(next, adjacency.node_count());
  }
  const auto reached = reachable_nodes(adjacency, built.entries);
  EXPECT_EQ(std::count(reached.begin(), reached.end(), true),
            static_cast<long>(adjacency.node_count()));
}

bool equal(const Adjacency& a, const Adjacency& b) {
  for (uint32_t node = 0; node < a.node_count(); ++node) {
    const auto one = a.neighbours(node), other = b.neighbours(node);
    if (!std::equal(one.begin(), one.end(), other.begin(), other.end())) return false;
  }
  return a.node_count() == b.node_count();
}

TEST(BuildGraph, IsTheSameOnAnyNumberOfThreads) {
  const TestRows rows = clustered_rows(20000, 32, 1, 300);
  const Points points(rows.view(), Metric::kL2);
  const Built one = build(points, 1);
  expect_sound(one);
  EXPECT_TRUE(equal(one.adjacency, build(points, 2).adjacency));
  EXPECT_TRUE(equal(one.adjacency, build(points, 3).adjacency));
  // What a build costs and makes is known: a change of either has to be explained. Integers are
  // compared exactly, so these do not depend on the machine.
  EXPECT_EQ(one.counts.partition_distances, 8823134u);
  EXPECT_EQ(one.counts.leaf_distances, 151400628u);
  EXPECT_EQ(one.counts.prune_distances, 2015626u);
  EXPECT_EQ(one.counts.candidates, 267770u);
  EXPECT_EQ(one.counts.edges, 267668u);
}

TEST(BuildGraph, QuantisedPointsGiveOneGraphToo) {
  const TestRows rows = clustered_rows(3000, 24, 2);
  std::vector<float> floats(rows.bytes.begin(), rows.bytes.end());
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    const Points points(MatrixView::f32(floats.data(), rows.rows, rows.dim), metric);
    const Built one = build(points, 1);
    expect_sound(one);
    EXPECT_TRUE(equal(one.adjacency, build(points, 2).adjacency)) << metric_name(metric);
  }
}

TEST(BuildGraph, EqualPointsAreAllReached) {
  // 1,000 copies of one vector among others; then nothing but copies; then zeros.
  TestRows rows = clustered_rows(4000, 16, 3);
  for (size_t i = 1000; i < 2000; ++i) {
    std::memcpy(rows.bytes.data() + i * 16, rows.bytes.data(), 16);
  }
  expect_sound(build(Points(rows.view(), Metric::kL2), 1));
  for (size_t i = 0; i < rows.rows; ++i) {
    std::memcpy(rows.bytes.data() + i * 16, rows.bytes.data(), 16);
  }
  expect_sound(build(Points(rows.view(), Metric::kL2), 1));
  std::fill(rows.bytes.begin(), rows.bytes.end(), uint8_t{0});
  expect_sound(build(Points(rows.view(), Metric::kL2), 2));
}

TEST(BuildGraph, TwoFarClustersAreBothReached) {
  const TestRows rows = clustered_rows(4000, 16, 4, 5);
  std::vector<float> floats(rows.bytes.begin(), rows.bytes.end());
  for (size_t i = 2000 * 16; i < floats.size(); ++i) floats[i] += 1e6f;
  const Points points(MatrixView::f32(floats.data(), rows.rows, rows.dim), Metric::kL2);
  expect_sound(build(points, 1));
}

TEST(BuildGraph, TinySetsHaveGraphs) {
  for (const size_t count : {1u, 2u, 3u, 33u, 100u}) {
    const TestRows rows = clustered_rows(count, 8, 5);
    expect_sound(build(Points(rows.view(), Metric::kL2), 1));
  }
}

TEST(BuildGraph, StopsWhenAsked) {
  const TestRows rows = clustered_rows(3000, 8, 6);
  const Points points(rows.view(), Metric::kL2);
  Adjacency adjacency(points.count(), 32);
  GraphCounts counts;
  GraphOptions options;
  options.advance = [](const char*, double) { return false; };
  base::ThreadPool pool(0);
  const std::vector<uint32_t> entries = {0};
  EXPECT_EQ(build_graph(points, pool, options, entries, adjacency, counts), GraphOutcome::kStopped);
}

}  // namespace
}  // namespace roxanne::graph
