// Product codes of residuals: what an estimate is, and how near it comes.
#include "quantize/residual_product_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

void train(ResidualProductCode& code, const ResidualProductCode::Sample& sample, uint64_t seed) {
  base::ThreadPool pool(0);
  code.train(sample, seed, pool, 1);
}

constexpr size_t kEntries = kernels::kCodebookEntries;

std::vector<float> gaussian(Random& random, size_t count, float scale) {
  std::vector<float> values(count);
  for (float& value : values) value = random.gaussian() * scale;
  return values;
}

// Points around a few centroids.
struct Points {
  size_t dim, count;
  std::vector<float> residuals, centroids, extras;
  ResidualProductCode::Sample sample() const {
    return {residuals.data(), centroids.data(), extras.data(), count};
  }
  const float* residual(size_t i) const { return residuals.data() + i * dim; }
  const float* centroid(size_t i) const { return centroids.data() + i * dim; }
};

Points make_points(size_t dim, size_t count, uint64_t seed) {
  Random random(seed);
  const std::vector<float> centres = gaussian(random, 8 * dim, 1);
  Points points{dim, count, gaussian(random, count * dim, 0.3f), {}, gaussian(random, count, 0.1f)};
  for (size_t i = 0; i < count; ++i) {
    const float* centre = centres.data() + i % 8 * dim;
    points.centroids.insert(points.centroids.end(), centre, centre + dim);
  }
  return points;
}

double squared_distance(const float* a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t d = 0; d < b.size(); ++d) sum += (a[d] - b[d]) * (a[d] - b[d]);
  return sum;
}

// Where a code says that its point is.
std::vector<double> decode(const ResidualProductCode& code, const uint8_t* bytes,
                           const float* centroid) {
  std::vector<double> place(centroid, centroid + code.dim());
  for (size_t p = 0; p < code.part_count(); ++p) {
    const size_t first = p * code.dim() / code.part_count();
    const size_t end = (p + 1) * code.dim() / code.part_count();
    for (size_t d = first; d < end; ++d) place[d] += code.codebook()[d * kEntries + bytes[p]];
  }
  return place;
}

float base_of(const float* query, const float* centroid, size_t dim) {
  const std::vector<double> place(centroid, centroid + dim);
  return static_cast<float>(squared_distance(query, place));
}

TEST(ResidualProductCode, EstimatesAreDistancesFromWhatTheCodeSays) {
  for (const auto& [dim, parts] :
       {std::pair<size_t, size_t>{1, 1}, {5, 5}, {7, 3}, {24, 4}, {40, 40}, {100, 48}, {130, 7}}) {
    const Points points = make_points(dim, 600, dim);
    ResidualProductCode code(dim, parts);
    train(code, points.sample(), 5);
    Random random(dim + 1);
    const std::vector<float> query = gaussian(random, dim, 1);
    ResidualProductCode::Query prepared;
    prepared.prepare(code, query.data());
    std::vector<uint8_t> bytes(code.code_bytes());
    ASSERT_EQ(code.code_bytes(), parts + 2);
    for (size_t i = 0; i < points.count; ++i) {
      code.encode(points.residual(i), points.centroid(i), points.extras[i], bytes.data());
      const double want =
          squared_distance(query.data(), decode(code, bytes.data(), points.centroid(i))) +
          points.extras[i];
      const float base = base_of(query.data(), points.centroid(i), dim);
      const double got = prepared.estimate(bytes.data(), base);
      ASSERT_NEAR(got, want, code.add_step() / 2 + 1e-5 * (std::abs(want) + base + dim))
          << "dim " << dim << " parts " << parts << " point " << i;
    }
  }
}

TEST(ResidualProductCode, EachPartNamesItsNearestEntry) {
  const Points points = make_points(12, 400, 3);
  ResidualProductCode code(12, 4);
  train(code, points.sample(), 1);
  std::vector<uint8_t> bytes(code.code_bytes());
  for (size_t i = 0; i < points.count; i += 7) {
    code.encode(points.residual(i), points.centroid(i), 0, bytes.data());
    for (size_t p = 0; p < 4; ++p) {
      const auto distance = [&](size_t entry) {
        double sum = 0;
        for (size_t d = 3 * p; d < 3 * p + 3; ++d) {
          sum += std::pow(double{points.residual(i)[d]} - code.codebook()[d * kEntries + entry], 2);
        }
        return sum;
      };
      for (size_t e = 0; e < kEntries; ++e) ASSERT_GE(distance(e) + 1e-6, distance(bytes[p]));
    }
  }
}

// With as many entries as this little is lost of what lies near centroids.
TEST(ResidualProductCode, ErrorsAreSmallOnClusteredPoints) {
  const Points points = make_points(64, 4000, 9);
  ResidualProductCode code(64, 32);
  train(code, points.sample(), 2);
  Random random(10);
  std::vector<uint8_t> bytes(code.code_bytes());
  ResidualProductCode::Query prepared;
  double squares = 0, sum = 0, distances = 0, count = 0;
  for (size_t q = 0; q < 20; ++q) {
    std::vector<float> query = gaussian(random, 64, 0.3f);
    for (size_t d = 0; d < 64; ++d) query[d] += points.centroid(q)[d];
    prepared.prepare(code, query.data());
    for (size_t i = q % 8; i < 800; i += 8) {  // of the query's own cluster
      code.encode(points.residual(i), points.centroid(i), points.extras[i], bytes.data());
      std::vector<double> place(points.centroid(i), points.centroid(i) + 64);
      for (size_t d = 0; d < 64; ++d) place[d] += points.residual(i)[d];
      const double want = squared_distance(query.data(), place) + points.extras[i];
      const float base = base_of(query.data(), points.centroid(i), 64);
      const double error = prepared.estimate(bytes.data(), base) - want;
      squares += error * error;
      sum += error;
      distances += want;
      ++count;
    }
  }
  EXPECT_LT(std::sqrt(squares / count), 0.05 * distances / count);
  EXPECT_LT(std::abs(sum / count), 0.02 * distances / count);
}

TEST(ResidualProductCode, RestoredOnesAreTheSame) {
  const Points points = make_points(10, 300, 4);
  ResidualProductCode code(10, 3);
  train(code, points.sample(), 8);
  ResidualProductCode restored(10, 3);
  restored.restore({code.codebook().begin(), code.codebook().end()}, code.add_step());
  ResidualProductCode::Query one, other;
  one.prepare(code, points.centroid(1));
  other.prepare(restored, points.centroid(1));
  std::vector<uint8_t> bytes(code.code_bytes()), more(code.code_bytes());
  for (size_t i = 0; i < points.count; ++i) {
    code.encode(points.residual(i), points.centroid(i), points.extras[i], bytes.data());
    restored.encode(points.residual(i), points.centroid(i), points.extras[i], more.data());
    ASSERT_EQ(bytes, more);
    ASSERT_EQ(one.estimate(bytes.data(), 3), other.estimate(bytes.data(), 3));
  }
  ResidualProductCode again(10, 3);
  train(again, points.sample(), 8);
  EXPECT_TRUE(std::ranges::equal(again.codebook(), code.codebook())) << "one seed, one codebook";
}

// Whatever is encoded, its place does not look like one without a point.
TEST(ResidualProductCode, NoCodeIsVacant) {
  const Points points = make_points(6, 300, 6);
  ResidualProductCode code(6, 2);
  train(code, points.sample(), 3);
  std::vector<uint8_t> bytes(code.code_bytes());
  const float huge = std::numeric_limits<float>::max();
  const float inf = std::numeric_limits<float>::infinity();
  for (const float extra : {0.0f, 1e3f, 1e20f, huge, inf, -1e3f, -1e20f, -huge, -inf}) {
    for (const float size : {0.0f, 1.0f, 1e10f, huge}) {
      std::vector<float> residual(6, size);
      code.encode(residual.data(), points.centroid(0), extra, bytes.data());
      int16_t add;
      std::memcpy(&add, bytes.data() + 2, sizeof add);
      EXPECT_NE(add, ResidualProductCode::kVacant) << extra << " " << size;
      EXPECT_GT(add, std::numeric_limits<int16_t>::min());
    }
  }
}

TEST(ResidualProductCode, EqualPointsAndFewPointsCanBeTrained) {
  for (const size_t count : {1u, 2u, 300u}) {
    Points points = make_points(8, count, 7);
    std::fill(points.residuals.begin(), points.residuals.end(), 0.0f);
    std::fill(points.extras.begin(), points.extras.end(), 0.0f);
    ResidualProductCode code(8, 4);
    train(code, points.sample(), 1);
    EXPECT_GT(code.add_step(), 0);
    ResidualProductCode::Query query;
    query.prepare(code, points.centroid(0));
    std::vector<uint8_t> bytes(code.code_bytes());
    code.encode(points.residual(0), points.centroid(0), 0, bytes.data());
    EXPECT_NEAR(query.estimate(bytes.data(), 0), 0, 1e-4);
  }
}

}  // namespace
}  // namespace roxanne::quantize
