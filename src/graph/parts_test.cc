// The parts of a build, each against its definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <set>

#include "graph/candidate_edges.h"
#include "graph/nearest_rows.h"
#include "graph/partition.h"
#include "graph/points.h"
#include "graph/random_ids.h"
#include "graph/reachability.h"
#include "graph/robust_prune.h"
#include "graph/test_points.h"

namespace roxanne::graph {
namespace {

std::vector<uint32_t> all_ids(size_t count) {
  std::vector<uint32_t> ids(count);
  std::iota(ids.begin(), ids.end(), 0u);
  return ids;
}

TEST(RandomIds, AreDistinctAndInRange) {
  for (const size_t wanted : {0u, 1u, 10u, 99u, 100u}) {
    const auto ids = random_ids(100, wanted, 7);
    EXPECT_EQ(std::set<uint32_t>(ids.begin(), ids.end()).size(), wanted);
    for (const uint32_t id : ids) EXPECT_LT(id, 100u);
    EXPECT_EQ(ids, random_ids(100, wanted, 7));
  }
}

TEST(NearestRowsTest, AreThoseOfBruteForceWithTiesByRow) {
  TestRows rows = clustered_rows(200, 24, 1);
  // Some rows twice, so that there are ties.
  for (size_t i = 0; i < 20; ++i) {
    std::copy_n(rows.bytes.begin() + static_cast<ptrdiff_t>(i * 24), 24,
                rows.bytes.begin() + static_cast<ptrdiff_t>((100 + i) * 24));
  }
  const Points points(rows.view(), Metric::kL2);
  PointBlock block;
  points.gather(all_ids(200), block);
  NearestRows nearest(points.code_type());
  for (const size_t k : {1u, 2u, 3u, 10u, 16u}) {
    for (const bool skip_self : {false, true}) {
      nearest.set_rows(block);
      std::vector<NearRow> found;
      nearest.find(block, {.k = k, .skip_self = skip_self}, found);
      for (size_t q = 0; q < 200; ++q) {
        std::vector<NearRow> expected;
        for (uint32_t r = 0; r < 200; ++r) {
          if (skip_self && r == q) continue;
          expected.push_back({static_cast<int32_t>(squared_distance(rows, q, r)), r});
        }
        std::sort(expected.begin(), expected.end());
        for (size_t i = 0; i < k; ++i) {
          ASSERT_EQ(found[q * k + i].row, expected[i].row) << "query " << q << " place " << i;
          ASSERT_EQ(found[q * k + i].distance, expected[i].distance);
        }
      }
    }
  }
}

TEST(NearestRowsTest, TooFewRowsLeavePlacesEmpty) {
  const TestRows rows = clustered_rows(2, 8, 1);
  const Points points(rows.view(), Metric::kL2);
  PointBlock block;
  points.gather(all_ids(2), block);
  NearestRows nearest(points.code_type());
  nearest.set_rows(block);
  std::vector<NearRow> found;
  nearest.find(block, {.k = 2, .skip_self = true}, found);
  EXPECT_EQ(found[0].row, 1u);
  EXPECT_EQ(found[1].row, kNoRow);
}

// Codes of quantised points keep the order of distances in the metric's own L2 form.
TEST(PointsTest, QuantisedDistancesFollowTheMetric) {
  std::mt19937 random(3);
  std::normal_distribution<float> values;
  constexpr size_t kRows = 60, kDim = 40;
  std::vector<float> data(kRows * kDim);
  for (float& value : data) value = values(random) + 3;  // far from the origin
  const MatrixView view = MatrixView::f32(data.data(), kRows, kDim);
  std::vector<double> norms(kRows);
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t d = 0; d < kDim; ++d) norms[i] += std::pow(data[i * kDim + d], 2);
  }
  const double greatest = *std::max_element(norms.begin(), norms.end());
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    const Points points(view, metric);
    EXPECT_FALSE(points.is_native());
    EXPECT_EQ(points.dim(), metric == Metric::kInnerProduct ? kDim + 1 : kDim);
    PointBlock block;
    const Points::Frame frame = points.frame(all_ids(kRows));
    points.gather(all_ids(kRows), frame, block);
    const PointKernels kernels = point_kernels(points.code_type());
    for (size_t a = 0; a < kRows; ++a) {
      for (size_t b = 0; b < kRows; ++b) {
        double dot = 0;
        for (size_t d = 0; d < kDim; ++d) dot += double{data[a * kDim + d]} * data[b * kDim + d];
        double expected = norms[a] + norms[b] - 2 * dot;
        if (metric == Metric::kCosine) expected = 2 - 2 * dot / std::sqrt(norms[a] * norms[b]);
        if (metric == Metric::kInnerProduct) {
          expected = 2 * greatest -
                     2 * (dot + std::sqrt(greatest - norms[a]) * std::sqrt(greatest - norms[b]));
        }
        int32_t code_distance = 0;
        kernels.l2(block.row(a), block.row(b), 1, block.dim(), &code_distance);
        const double got = code_distance / (double{frame.scale} * frame.scale);
        ASSERT_NEAR(std::sqrt(got), std::sqrt(std::max(0.0, expected)), 3.0 / frame.scale)
            << metric_name(metric) << " " << a << " " << b;
        const auto other = static_cast<uint32_t>(b);
        float distance = 0;
        points.distances(static_cast<uint32_t>(a), {&other, 1}, &distance);
        ASSERT_NEAR(distance, expected, metric == Metric::kCosine ? 1e-4 : 1e-4 * greatest);
      }
    }
  }
}

TEST(PartitionTest, EveryPointIsInALeafAndLeavesAreSmall) {
  const TestRows rows = clustered_rows(5000, 16, 2);
  const Points points(rows.view(), Metric::kL2);
  std::map<size_t, std::multiset<std::vector<uint32_t>>> leaves;
  for (const size_t threads : {1u, 2u}) {
    base::ThreadPool pool(threads - 1);
    PartitionOptions options;
    options.leaf_points_max = 128;
    options.leaf_points_min = 16;
    Partition partition(points, options);
    std::mutex mutex;
    std::set<uint32_t> seen;
    EXPECT_TRUE(partition.run(pool, threads,
                              [&](size_t, const Leaf& leaf) {
                                std::lock_guard lock(mutex);
                                EXPECT_LE(leaf.ids.size(), options.leaf_points_max);
                                EXPECT_GE(leaf.ids.size(), 2u);
                                EXPECT_TRUE(std::is_sorted(leaf.ids.begin(), leaf.ids.end()));
                                seen.insert(leaf.ids.begin(), leaf.ids.end());
                                leaves[threads].insert({leaf.ids.begin(), leaf.ids.end()});
                              },
                              {}));
    EXPECT_EQ(seen.size(), 5000u);
  }
  EXPECT_EQ(leaves[1], leaves[2]);  // whatever the threads
}

TEST(PartitionTest, StopsWhenAsked) {
  const TestRows rows = clustered_rows(5000, 16, 2);
  const Points points(rows.view(), Metric::kL2);
  base::ThreadPool pool(0);
  Partition partition(points, {});
  EXPECT_FALSE(partition.run(
      pool, 1, [](size_t, const Leaf&) {}, [](double) { return false; }));
}

class MemorySpill final : public EdgeSpill {
 public:
  bool append(size_t bucket, std::span<const uint64_t> edges) override {
    if (fails) return false;
    kept[bucket].insert(kept[bucket].end(), edges.begin(), edges.end());
    ++appends;
    return true;
  }
  bool read(size_t bucket, std::vector<uint64_t>& edges) override {
    edges.insert(edges.end(), kept[bucket].begin(), kept[bucket].end());
    return true;
  }
  std::map<size_t, std::vector<uint64_t>> kept;
  size_t appends = 0;
  bool fails = false;
};

TEST(CandidateEdgesTest, SpilledOrNotTheSetsAreTheSame) {
  constexpr size_t kPoints = CandidateEdges::kBucketPoints + 100;
  MemorySpill spill;
  CandidateEdges in_memory(kPoints, 0, nullptr);
  CandidateEdges spilled(kPoints, 1, &spill);
  std::mt19937 random(1);
  {
    CandidateEdges::Writer one(in_memory), other(spilled);
    for (size_t i = 0; i < 100000; ++i) {
      const uint32_t source = random() % kPoints, target = random() % 50;
      one.add(source, target);
      other.add(source, target);
    }
  }
  EXPECT_GT(spill.appends, 2u);
  size_t sources = 0;
  for (size_t b = 0; b < in_memory.bucket_count(); ++b) {
    CandidateEdges::Merged a, c;
    ASSERT_TRUE(in_memory.merge(b, a));
    ASSERT_TRUE(spilled.merge(b, c));
    EXPECT_EQ(a.offsets, c.offsets);
    EXPECT_EQ(a.targets, c.targets);
    for (size_t i = 0; i + 1 < a.offsets.size(); ++i, ++sources) {
      EXPECT_TRUE(std::is_sorted(a.targets.begin() + a.offsets[i],
                                 a.targets.begin() + a.offsets[i + 1], std::less_equal<>()));
    }
  }
  EXPECT_EQ(sources, kPoints);
}

TEST(CandidateEdgesTest, WhatIsTakenAndSortedElsewhereGroupsToTheSame) {
  constexpr size_t kPoints = CandidateEdges::kBucketPoints + 100;
  CandidateEdges merged_here(kPoints, 0, nullptr), sorted_elsewhere(kPoints, 0, nullptr);
  std::mt19937 random(1);
  {
    CandidateEdges::Writer one(merged_here), other(sorted_elsewhere);
    for (size_t i = 0; i < 100000; ++i) {
      const uint32_t source = random() % kPoints, target = random() % 50;
      one.add(source, target);
      other.add(source, target);
    }
  }
  for (size_t b = 0; b < merged_here.bucket_count(); ++b) {
    CandidateEdges::Merged expected, grouped;
    ASSERT_TRUE(merged_here.merge(b, expected));
    std::vector<std::vector<uint64_t>> chunks;
    ASSERT_TRUE(sorted_elsewhere.take(b, chunks));
    std::set<uint64_t> edges;
    for (const auto& chunk : chunks) edges.insert(chunk.begin(), chunk.end());
    sorted_elsewhere.group(b, std::vector<uint64_t>(edges.begin(), edges.end()), grouped);
    EXPECT_EQ(grouped.first_source, expected.first_source);
    EXPECT_EQ(grouped.offsets, expected.offsets);
    EXPECT_EQ(grouped.targets, expected.targets);
  }
}

TEST(CandidateEdgesTest, AFailedSpillIsKnown) {
  MemorySpill spill;
  spill.fails = true;
  CandidateEdges edges(100, 1, &spill);
  {
    CandidateEdges::Writer writer(edges);
    for (uint32_t i = 0; i < 100000; ++i) writer.add(i % 100, i % 7);
  }
  EXPECT_TRUE(edges.failed());
}

// The alpha rule, one candidate at a time, as the paper has it.
std::vector<uint32_t> prune_by_definition(const TestRows& rows, uint32_t point,
                                          std::vector<uint32_t> candidates, size_t max_degree,
                                          double alpha) {
  std::sort(candidates.begin(), candidates.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(squared_distance(rows, point, a), a) <
           std::pair(squared_distance(rows, point, b), b);
  });
  std::vector<uint32_t> kept;
  for (const double rule : {1.0, alpha}) {
    for (const uint32_t c : candidates) {
      if (kept.size() == max_degree) break;
      if (std::find(kept.begin(), kept.end(), c) != kept.end()) continue;
      // Kept neighbours that are farther than c came in by the first rule; they count too.
      const bool stands_in = std::any_of(kept.begin(), kept.end(), [&](uint32_t s) {
        return rule * static_cast<double>(squared_distance(rows, s, c)) <=
               static_cast<double>(squared_distance(rows, point, c));
      });
      if (!stands_in) kept.push_back(c);
    }
  }
  return kept;
}

TEST(RobustPruneTest, KeepsWhatTheAlphaRuleKeeps) {
  const TestRows rows = clustered_rows(400, 12, 5, 4);
  const Points points(rows.view(), Metric::kL2);
  RobustPrune pruner(points, {.max_degree = 12, .alpha_1000 = 1200});
  std::mt19937 random(2);
  for (uint32_t point = 0; point < 100; ++point) {
    std::set<uint32_t> chosen;
    while (chosen.size() < 60) chosen.insert(random() % 400);
    chosen.erase(point);
    const std::vector<uint32_t> candidates(chosen.begin(), chosen.end());
    const auto kept = pruner.prune(point, candidates);
    EXPECT_EQ(std::vector<uint32_t>(kept.begin(), kept.end()),
              prune_by_definition(rows, point, candidates, 12, 1.2));
  }
}

TEST(RobustPruneTest, FillTakesTheNearestOfWhatWasDropped) {
  const TestRows rows = clustered_rows(100, 8, 6, 1);
  const Points points(rows.view(), Metric::kL2);
  std::vector<uint32_t> candidates = all_ids(100);
  candidates.erase(candidates.begin() + 3);
  RobustPrune sparse(points, {.max_degree = 32});
  const auto kept_view = sparse.prune(3, candidates);
  const std::vector<uint32_t> kept(kept_view.begin(), kept_view.end());
  ASSERT_LT(kept.size(), 32u);
  RobustPrune filled(points, {.max_degree = 32, .fill = true});
  const auto all = filled.prune(3, candidates);
  ASSERT_EQ(all.size(), 32u);
  EXPECT_TRUE(std::equal(kept.begin(), kept.end(), all.begin()));  // a prefix
  for (size_t i = kept.size() + 1; i < all.size(); ++i) {
    EXPECT_LE(squared_distance(rows, 3, all[i - 1]), squared_distance(rows, 3, all[i]));
  }
}

// Under inner product a long vector must not stand in for all others, nor nothing for anything.
TEST(RobustPruneTest, EveryMetricKeepsASensibleDegree) {
  std::mt19937 random(4);
  std::normal_distribution<float> values;
  std::vector<float> data(300 * 16);
  for (size_t i = 0; i < 300; ++i) {
    const float length = 0.5f + static_cast<float>(random() % 100) / 50;
    for (size_t d = 0; d < 16; ++d) data[i * 16 + d] = values(random) * length;
  }
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    const Points points(MatrixView::f32(data.data(), 300, 16), metric);
    RobustPrune pruner(points, {.max_degree = 32});
    size_t edges = 0;
    for (uint32_t point = 0; point < 300; ++point) {
      std::vector<uint32_t> candidates = all_ids(300);
      candidates.erase(candidates.begin() + point);
      edges += pruner.prune(point, candidates).size();
    }
    EXPECT_GT(edges / 300, 5u) << metric_name(metric);
    EXPECT_LT(edges / 300, 32u) << metric_name(metric);
  }
}

TEST(Reachability, LostNodesAreLinkedEvenWhereAllIsFull) {
  constexpr size_t kNodes = 500;
  // A ring of full nodes, islands beside it that point to it or to each other.
  Adjacency adjacency(kNodes, 2);
  for (uint32_t i = 0; i < 300; ++i) {
    adjacency.set(i, std::vector<uint32_t>{(i + 1) % 300, (i + 2) % 300});
  }
  for (uint32_t i = 300; i < 400; ++i) adjacency.set(i, std::vector<uint32_t>{i - 300});
  for (uint32_t i = 400; i < kNodes; ++i) {
    adjacency.set(i, std::vector<uint32_t>{i == kNodes - 1 ? 400 : i + 1});
  }
  const std::vector<uint32_t> entries = {17};
  EXPECT_EQ(make_reachable(adjacency, entries), 200u);
  const auto reached = reachable_nodes(adjacency, entries);
  EXPECT_EQ(std::count(reached.begin(), reached.end(), true), static_cast<long>(kNodes));
}

}  // namespace
}  // namespace roxanne::graph
