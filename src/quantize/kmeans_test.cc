#include "quantize/kmeans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

std::vector<float> gaussian_points(size_t count, size_t dim, uint64_t seed) {
  Random random(seed);
  std::vector<float> points(count * dim);
  for (float& value : points) value = random.gaussian();
  return points;
}

double squared_distance(const float* a, const float* b, size_t dim) {
  double sum = 0;
  for (size_t d = 0; d < dim; ++d) sum += (a[d] - b[d]) * static_cast<double>(a[d] - b[d]);
  return sum;
}

double distortion(const std::vector<float>& points, const std::vector<float>& centroids,
                  size_t dim) {
  const size_t count = points.size() / dim;
  std::vector<uint32_t> numbers(count);
  std::vector<float> distances(count);
  NearestCentroid(centroids.data(), centroids.size() / dim, dim)
      .assign(points.data(), count, numbers.data(), distances.data());
  double sum = 0;
  for (const float distance : distances) sum += distance;
  return sum / static_cast<double>(count);
}

TEST(NearestCentroid, AgreesWithComparingAllForAnyCountAndDim) {
  for (const size_t count : {1, 2, 15, 16, 17, 64, 65, 256, 300}) {
    for (const size_t dim : {1, 2, 3, 4, 7, 24, 129}) {
      const std::vector<float> centroids = gaussian_points(count, dim, count * 1000 + dim);
      const std::vector<float> points = gaussian_points(101, dim, dim);
      std::vector<uint32_t> numbers(101);
      std::vector<float> distances(101);
      NearestCentroid(centroids.data(), count, dim)
          .assign(points.data(), 101, numbers.data(), distances.data());
      for (size_t i = 0; i < 101; ++i) {
        double least = 1e30;
        for (size_t c = 0; c < count; ++c) {
          least = std::min(least, squared_distance(&points[i * dim], &centroids[c * dim], dim));
        }
        ASSERT_LT(numbers[i], count);
        const double found = squared_distance(&points[i * dim], &centroids[numbers[i] * dim], dim);
        ASSERT_NEAR(found, least, 1e-4 * (1 + least)) << count << " x " << dim << " point " << i;
        ASSERT_NEAR(distances[i], least, 1e-4 * (1 + least));
      }
    }
  }
}

TEST(NearestCentroid, TiesGoToTheLowerNumber) {
  const std::vector<float> centroids(40, 1.0f);
  const std::vector<float> points = {1.0f, -3.0f};
  std::vector<uint32_t> numbers(2, 99);
  NearestCentroid(centroids.data(), 40, 1).assign(points.data(), 2, numbers.data());
  EXPECT_EQ(numbers, (std::vector<uint32_t>{0, 0}));
}

TEST(Kmeans, FindsClustersThatAreFarApart) {
  constexpr size_t kClusters = 50, kEach = 40, kDim = 6;
  Random random(5);
  std::vector<float> points;
  for (size_t i = 0; i < kClusters * kEach; ++i) {
    const size_t cluster = i % kClusters;
    for (size_t d = 0; d < kDim; ++d) {
      const float centre = d == cluster % kDim ? 100.0f * static_cast<float>(cluster) : 0.0f;
      points.push_back(centre + random.gaussian());
    }
  }
  const std::vector<float> centroids =
      kmeans(points.data(), kClusters * kEach, kDim, {.cluster_count = kClusters, .seed = 7});
  // What is left is the noise: one of variance in each dimension, less what means take.
  EXPECT_LT(distortion(points, centroids, kDim), kDim * 1.02);
}

TEST(Kmeans, IsBetterThanItsSeeding) {
  const std::vector<float> points = gaussian_points(4000, 8, 3);
  const auto run = [&](size_t iterations) {
    return distortion(
        points, kmeans(points.data(), 4000, 8, {.cluster_count = 64, .iteration_max = iterations}),
        8);
  };
  EXPECT_LT(run(12), 0.9 * run(0));
  EXPECT_LE(run(12), run(3));
}

TEST(Kmeans, SameSeedSameCentroids) {
  const std::vector<float> points = gaussian_points(3000, 5, 4);
  const KmeansOptions options = {.cluster_count = 20, .points_per_cluster_max = 64, .seed = 9};
  EXPECT_EQ(kmeans(points.data(), 3000, 5, options), kmeans(points.data(), 3000, 5, options));
  KmeansOptions other = options;
  other.seed = 10;
  EXPECT_NE(kmeans(points.data(), 3000, 5, options), kmeans(points.data(), 3000, 5, other));
}

TEST(Kmeans, FewerPointsThanClustersAreAllCentroids) {
  const std::vector<float> points = gaussian_points(7, 3, 6);
  const std::vector<float> centroids = kmeans(points.data(), 7, 3, {.cluster_count = 16});
  ASSERT_EQ(centroids.size(), 16u * 3);
  EXPECT_NEAR(distortion(points, centroids, 3), 0, 1e-6);
}

TEST(Kmeans, EqualPointsGiveThatPoint) {
  const std::vector<float> points(500 * 2, 3.5f);
  const std::vector<float> centroids = kmeans(points.data(), 500, 2, {.cluster_count = 8});
  for (const float value : centroids) EXPECT_EQ(value, 3.5f);
}

// Two values, one of them rare: clusters that would be empty move to where points are far off.
TEST(Kmeans, EmptyClustersStartAgain) {
  std::vector<float> points(1000, 0.0f);
  for (size_t i = 0; i < 10; ++i) points[i * 100] = static_cast<float>(i + 1);
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<float> centroids =
        kmeans(points.data(), 1000, 1, {.cluster_count = 11, .seed = seed});
    EXPECT_EQ(std::set<float>(centroids.begin(), centroids.end()).size(), 11u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace roxanne::quantize
