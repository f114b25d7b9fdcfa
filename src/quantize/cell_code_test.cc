// Codes of residuals: what an estimate is, and how near it comes, with each kind of codebook.
#include "quantize/cell_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "quantize/random.h"
#include "quantize/test_values.h"

namespace roxanne::quantize {
namespace {

void train(CellCode& code, const CellCode::Sample& sample, uint64_t seed) {
  base::ThreadPool pool(0);
  code.train(sample, seed, pool, 1);
}

void encode(const CellCode& code, const float* residual, const float* centroid, float extra,
            std::vector<uint8_t>& bytes) {
  std::vector<float> decoded(code.dim()), again(code.dim());
  bytes.resize(code.code_bytes());
  code.encode(residual, centroid, extra, bytes.data(), decoded.data());
  code.decode(bytes.data(), again.data());
  ASSERT_EQ(decoded, again);
}

constexpr size_t kEntries = kernels::kCodebookEntries;

// Points around a few centroids.
struct Points {
  size_t dim, count;
  std::vector<float> residuals, centroids, extras;
  CellCode::Sample sample() const {
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
std::vector<double> decode(const CellCode& code, const uint8_t* bytes, const float* centroid) {
  std::vector<float> residual(code.dim());
  code.decode(bytes, residual.data());
  std::vector<double> place(centroid, centroid + code.dim());
  for (size_t d = 0; d < place.size(); ++d) place[d] += residual[d];
  return place;
}

float base_of(const float* query, const float* centroid, size_t dim) {
  const std::vector<double> place(centroid, centroid + dim);
  return static_cast<float>(squared_distance(query, place));
}

// Of levels: what rounding the query loses, a half of a 127th of its greatest coordinate for each.
double rounding_of(const CellCode& code, const std::vector<float>& query, const uint8_t* bytes) {
  if (code.shape().kind != CellCodeKind::kLevels) return 0;
  const size_t dim = code.dim();
  const std::span<const float> steps = code.codebook().first(dim);
  std::vector<float> residual(dim);
  code.decode(bytes, residual.data());
  double most = 0, levels = 0;
  for (size_t d = 0; d < dim; ++d) {
    most = std::max<double>(most, std::abs(query[d] * steps[d]));
    if (steps[d] > 0) levels += std::abs(residual[d] / steps[d]);
  }
  return 2 * most / 127 / 2 * levels;
}

TEST(CellCode, EstimatesAreDistancesFromWhatTheCodeSays) {
  for (const auto& [dim, shape] : {std::pair<size_t, CellCodeShape>{1, CellCodeShape::product(1)},
                                   {5, CellCodeShape::product(5)},
                                   {7, CellCodeShape::product(3)},
                                   {24, CellCodeShape::product(4)},
                                   {40, CellCodeShape::product(40)},
                                   {100, CellCodeShape::product(48)},
                                   {130, CellCodeShape::product(7)},
                                   {1, CellCodeShape::levels(1)},
                                   {2, CellCodeShape::levels(2)},
                                   {7, CellCodeShape::levels(7)},
                                   {64, CellCodeShape::levels(64)},
                                   {129, CellCodeShape::levels(129)},
                                   {384, CellCodeShape::levels(384)}}) {
    const Points points = make_points(dim, 600, dim);
    CellCode code(dim, shape);
    train(code, points.sample(), 5);
    Random random(dim + 1);
    const std::vector<float> query = gaussian(random, dim, 1);
    CellCode::Query prepared;
    prepared.prepare(code, query.data());
    std::vector<uint8_t> bytes, row;
    ASSERT_EQ(code.code_bytes(), shape.name_bytes + 2);
    // A few codes of one cell, one after the other, get the same estimates.
    std::vector<float> alone;
    for (size_t i = 0; i < points.count; ++i) {
      encode(code, points.residual(i), points.centroid(i), points.extras[i], bytes);
      const double want =
          squared_distance(query.data(), decode(code, bytes.data(), points.centroid(i))) +
          points.extras[i];
      const float base = base_of(query.data(), points.centroid(i), dim);
      const double got = prepared.estimate(bytes.data(), base);
      ASSERT_NEAR(got, want,
                  code.add_step() / 2 + rounding_of(code, query, bytes.data()) +
                      1e-5 * (std::abs(want) + base + dim))
          << "dim " << dim << " bytes " << shape.name_bytes << " point " << i;
      if (i % 8 != 3) continue;
      row.insert(row.end(), bytes.begin(), bytes.end());
      alone.push_back(static_cast<float>(got));
    }
    std::vector<float> together(alone.size());
    prepared.estimate_row(row.data(), together.size(),
                          base_of(query.data(), points.centroid(3), dim), together.data());
    ASSERT_EQ(together, alone) << "dim " << dim;
  }
}

TEST(CellCode, EachCoordinateNamesItsNearestLevel) {
  for (const size_t dim : {1u, 9u, 128u}) {
    const Points points = make_points(dim, 400, 3);
    CellCode code(dim, CellCodeShape::levels(dim));
    train(code, points.sample(), 1);
    const std::span<const float> values = code.codebook();
    std::vector<uint8_t> bytes;
    std::vector<float> decoded(dim);
    for (size_t i = 0; i < points.count; i += 7) {
      encode(code, points.residual(i), points.centroid(i), 0, bytes);
      code.decode(bytes.data(), decoded.data());
      for (size_t d = 0; d < dim; ++d) {
        const float residual = points.residual(i)[d];
        for (size_t l = 0; l < kernels::kNibbleLevels; ++l) {
          const float value = values[d] * (values[dim + l] - values.back());
          ASSERT_GE(std::abs(value - residual) + 1e-5f, std::abs(decoded[d] - residual))
              << "coordinate " << d;
        }
      }
    }
  }
}

// Sixteen levels that suit a normal distribution leave a hundredth of the squares (0.00950: Max,
// 1960; here rounded, and of a sample); coordinates of other sizes, as little.
TEST(CellCode, LevelsLoseLittleWhateverTheSizeOfACoordinate) {
  constexpr size_t kDim = 96;
  Points points = make_points(kDim, 6000, 3);
  for (size_t i = 0; i < points.count; ++i) {
    for (size_t d = 0; d < kDim; ++d) {
      points.residuals[i * kDim + d] *= static_cast<float>(1 + d % 13);
    }
  }
  CellCode code(kDim, CellCodeShape::levels(kDim));
  train(code, points.sample(), 1);
  std::vector<uint8_t> bytes;
  std::vector<float> decoded(kDim);
  std::vector<double> lost(kDim), all(kDim);
  for (size_t i = 0; i < points.count; ++i) {
    encode(code, points.residual(i), points.centroid(i), 0, bytes);
    code.decode(bytes.data(), decoded.data());
    for (size_t d = 0; d < kDim; ++d) {
      const double residual = points.residual(i)[d];
      lost[d] += (residual - decoded[d]) * (residual - decoded[d]);
      all[d] += residual * residual;
    }
  }
  for (size_t d = 0; d < kDim; ++d) {
    EXPECT_LT(lost[d], 0.0125 * all[d]) << "coordinate " << d;
    EXPECT_GT(lost[d], 0.0070 * all[d]) << "coordinate " << d;
  }
}

TEST(CellCode, EachPartNamesItsNearestEntry) {
  const Points points = make_points(12, 400, 3);
  CellCode code(12, CellCodeShape::product(4));
  train(code, points.sample(), 1);
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < points.count; i += 7) {
    encode(code, points.residual(i), points.centroid(i), 0, bytes);
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
TEST(CellCode, ErrorsAreSmallOnClusteredPoints) {
  for (const CellCodeShape& shape : {CellCodeShape::product(32), CellCodeShape::levels(64)}) {
    const Points points = make_points(64, 4000, 9);
    CellCode code(64, shape);
    train(code, points.sample(), 2);
    Random random(10);
    std::vector<uint8_t> bytes;
    CellCode::Query prepared;
    double squares = 0, sum = 0, distances = 0, count = 0;
    for (size_t q = 0; q < 20; ++q) {
      std::vector<float> query = gaussian(random, 64, 0.3f);
      for (size_t d = 0; d < 64; ++d) query[d] += points.centroid(q)[d];
      prepared.prepare(code, query.data());
      for (size_t i = q % 8; i < 800; i += 8) {  // of the query's own cluster
        encode(code, points.residual(i), points.centroid(i), points.extras[i], bytes);
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
}

TEST(CellCode, RestoredOnesAreTheSame) {
  for (const CellCodeShape& shape : {CellCodeShape::product(3), CellCodeShape::levels(10)}) {
    const Points points = make_points(10, 300, 4);
    CellCode code(10, shape);
    train(code, points.sample(), 8);
    CellCode restored(10, shape);
    restored.restore({code.codebook().begin(), code.codebook().end()}, code.add_step());
    CellCode::Query one, other;
    one.prepare(code, points.centroid(1));
    other.prepare(restored, points.centroid(1));
    std::vector<uint8_t> bytes, more;
    for (size_t i = 0; i < points.count; ++i) {
      encode(code, points.residual(i), points.centroid(i), points.extras[i], bytes);
      encode(restored, points.residual(i), points.centroid(i), points.extras[i], more);
      ASSERT_EQ(bytes, more);
      ASSERT_EQ(one.estimate(bytes.data(), 3), other.estimate(bytes.data(), 3));
    }
    CellCode again(10, shape);
    train(again, points.sample(), 8);
    EXPECT_TRUE(std::ranges::equal(again.codebook(), code.codebook())) << "one seed, one codebook";
  }
}

// Whatever is encoded, its place does not look like one without a point.
TEST(CellCode, NoCodeIsVacant) {
  for (const CellCodeShape& shape : {CellCodeShape::product(2), CellCodeShape::levels(6)}) {
    const Points points = make_points(6, 300, 6);
    CellCode code(6, shape);
    train(code, points.sample(), 3);
    std::vector<uint8_t> bytes;
    const float huge = std::numeric_limits<float>::max();
    const float inf = std::numeric_limits<float>::infinity();
    for (const float extra : {0.0f, 1e3f, 1e20f, huge, inf, -1e3f, -1e20f, -huge, -inf}) {
      for (const float size : {0.0f, 1.0f, 1e10f, huge}) {
        std::vector<float> residual(6, size);
        encode(code, residual.data(), points.centroid(0), extra, bytes);
        int16_t add;
        std::memcpy(&add, bytes.data() + shape.name_bytes, sizeof add);
        EXPECT_NE(add, CellCode::kVacant) << extra << " " << size;
        EXPECT_GT(add, std::numeric_limits<int16_t>::min());
      }
    }
  }
}

TEST(CellCode, EqualPointsAndFewPointsCanBeTrained) {
  for (const CellCodeShape& shape : {CellCodeShape::product(4), CellCodeShape::levels(8)}) {
    for (const size_t count : {1u, 2u, 300u}) {
      Points points = make_points(8, count, 7);
      std::fill(points.residuals.begin(), points.residuals.end(), 0.0f);
      std::fill(points.extras.begin(), points.extras.end(), 0.0f);
      CellCode code(8, shape);
      train(code, points.sample(), 1);
      EXPECT_GT(code.add_step(), 0);
      CellCode::Query query;
      query.prepare(code, points.centroid(0));
      std::vector<uint8_t> bytes;
      encode(code, points.residual(0), points.centroid(0), 0, bytes);
      EXPECT_NEAR(query.estimate(bytes.data(), 0), 0, 1e-4);
    }
  }
}

}  // namespace
}  // namespace roxanne::quantize
