// Which points share a page.
#include "index/cell_packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace roxanne::index {
namespace {

std::vector<float> clustered(size_t count, size_t dim, size_t clusters, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> values;
  std::vector<float> centres(clusters * dim), points(count * dim);
  for (float& value : centres) value = values(random) * 5;
  for (size_t i = 0; i < count; ++i) {
    const size_t centre = random() % clusters;
    for (size_t d = 0; d < dim; ++d)
      points[i * dim + d] = centres[centre * dim + d] + values(random);
  }
  return points;
}

// Mean squared distance of two points that share a page.
double spread(const std::vector<uint32_t>& order, const std::vector<float>& points, size_t dim,
              size_t group) {
  double sum = 0;
  size_t pairs = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t j = i + 1; j < std::min(order.size(), (i / group + 1) * group); ++j, ++pairs) {
      for (size_t d = 0; d < dim; ++d) {
        const double difference = points[order[i] * dim + d] - points[order[j] * dim + d];
        sum += difference * difference;
      }
    }
  }
  return pairs == 0 ? 0 : sum / static_cast<double>(pairs);
}

void expect_permutation(std::vector<uint32_t> order, size_t count) {
  std::sort(order.begin(), order.end());
  std::vector<uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0u);
  EXPECT_EQ(order, all);
}

TEST(CellPacker, EveryPointHasOnePlace) {
  CellPacker packer;
  for (const size_t count : {1u, 2u, 3u, 7u, 8u, 9u, 100u, 301u}) {
    for (const size_t group : {1u, 2u, 7u, 8u, 64u}) {
      SCOPED_TRACE(std::to_string(count) + " points, pages of " + std::to_string(group));
      const auto points = clustered(count, 6, 5, static_cast<uint32_t>(count));
      expect_permutation(packer.pack(points.data(), count, 6, group), count);
    }
  }
}

TEST(CellPacker, PagesAreTighterThanAtRandom) {
  CellPacker packer;
  for (const size_t group : {2u, 5u, 12u}) {
    const auto points = clustered(240, 8, 20, 3);
    const std::vector<uint32_t> packed = packer.pack(points.data(), 240, 8, group);
    std::vector<uint32_t> shuffled = packed;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(1));
    EXPECT_LT(spread(packed, points, 8, group), 0.5 * spread(shuffled, points, 8, group)) << group;
  }
}

// Four far clusters that fill a page each end up in a page each.
TEST(CellPacker, ClustersThatFillAPageAreFound) {
  std::vector<float> points;
  for (size_t i = 0; i < 32; ++i) {
    points.push_back(static_cast<float>(i % 4) * 1000);
    points.push_back(static_cast<float>(i));
  }
  CellPacker packer;
  const std::vector<uint32_t> order = packer.pack(points.data(), 32, 2, 8);
  for (size_t i = 0; i < 32; ++i) EXPECT_EQ(order[i] % 4, order[i / 8 * 8] % 4) << i;
}

TEST(CellPacker, OnePackerGivesOneOrder) {
  const auto points = clustered(150, 4, 6, 9);
  const auto more = clustered(300, 4, 6, 10);
  CellPacker used, fresh;
  (void)used.pack(more.data(), 300, 4, 7);
  EXPECT_EQ(used.pack(points.data(), 150, 4, 10), fresh.pack(points.data(), 150, 4, 10));
}

TEST(CellPacker, EqualPointsAndFarPointsHavePlaces) {
  CellPacker packer;
  std::vector<float> points(200 * 3, 1.5f);
  expect_permutation(packer.pack(points.data(), 200, 3, 9), 200);
  for (size_t i = 0; i < 100; ++i) points[3 * i] = 1e6f;
  const std::vector<uint32_t> order = packer.pack(points.data(), 200, 3, 10);
  expect_permutation(order, 200);
  for (size_t i = 0; i < 200; ++i) EXPECT_EQ(order[i] < 100, order[i / 10 * 10] < 100);
  // Distances that are not finite: any order will do.
  for (size_t i = 0; i < points.size(); ++i) points[i] = i % 2 == 0 ? 3e38f : -3e38f;
  expect_permutation(packer.pack(points.data(), 200, 3, 10), 200);
}

}  // namespace
}  // namespace roxanne::index
