// Distances of a metric are squared Euclidean ones in the search space.
#include "index/search_space.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "index/exact_distance.h"
#include "index/test_rows.h"

namespace roxanne::index {
namespace {

// A query's distances to rows: in the metric, as the query says they are here, and by places.
struct Distances {
  float metric;
  float told;
  double measured;
};

std::vector<Distances> distances_of(const SearchSpace& space, const TestRows& rows, Metric metric,
                                    VectorView query) {
  const size_t dim = rows.dim;
  SearchSpace::Query place;
  space.map_query(query, place);
  std::vector<float> places(rows.rows * dim), offsets(rows.rows);
  space.map_rows(rows.view(), places.data(), offsets.data());
  ExactDistance exact(rows.type, metric, dim);
  exact.set_query(query.row(0));
  std::vector<Distances> all;
  for (size_t i = 0; i < rows.rows; ++i) {
    double sum = offsets[i];
    for (size_t d = 0; d < dim; ++d) {
      sum += std::pow(double{place.place()[d]} - places[i * dim + d], 2);
    }
    const std::byte* row = rows.view().row(i);
    const float distance = exact(row, exact.row_norm(row));
    all.push_back({distance, place.distance_here(distance), sum});
  }
  return all;
}

TEST(SearchSpace, DistancesAreThoseOfPlaces) {
  for (const ScalarType type : kAllTypes) {
    for (const Metric metric : kAllMetrics) {
      SCOPED_TRACE(name_of(type, metric));
      const TestRows rows = make_test_rows(type, 400, 30, 1);
      const TestRows queries = make_test_rows(type, 12, 30, 2);
      const SearchSpace space = SearchSpace::of_sample(rows.view(), metric);
      for (size_t q = 0; q < queries.rows; ++q) {
        auto all = distances_of(space, rows, metric, queries.row(q));
        for (const Distances& one : all) {
          ASSERT_NEAR(one.told, one.measured, 2e-5 * (std::abs(one.measured) + 10));
        }
        std::sort(all.begin(), all.end(),
                  [](const Distances& a, const Distances& b) { return a.metric < b.metric; });
        for (size_t i = 1; i < all.size(); ++i) {
          ASSERT_LE(all[i - 1].told, all[i].told) << "the order is kept";
        }
      }
    }
  }
}

TEST(SearchSpace, PlacesAreCentredAndOfLengthOneOnAverage) {
  for (const ScalarType type : kAllTypes) {
    const TestRows rows = make_test_rows(type, 1000, 16, 3);
    const SearchSpace space = SearchSpace::of_sample(rows.view(), Metric::kL2);
    std::vector<float> places(1000 * 16), offsets(1000, 7);
    space.map_rows(rows.view(), places.data(), offsets.data());
    double squares = 0;
    std::vector<double> means(16);
    for (size_t i = 0; i < places.size(); ++i) {
      squares += double{places[i]} * places[i] / 1000;
      means[i % 16] += places[i] / 1000;
    }
    EXPECT_NEAR(squares, 1, 1e-4);
    for (const double mean : means) EXPECT_NEAR(mean, 0, 1e-4);
    EXPECT_EQ(offsets, std::vector<float>(1000, 0));
    EXPECT_EQ(space.greatest_norm(), 0);
  }
}

// Under inner product the offset makes up for what a vector lacks of the greatest norm.
TEST(SearchSpace, OffsetsAreZeroForTheLongestOnly) {
  const TestRows rows = make_test_rows(ScalarType::kF32, 300, 8, 4);
  const SearchSpace space = SearchSpace::of_sample(rows.view(), Metric::kInnerProduct);
  std::vector<float> places(300 * 8), offsets(300);
  space.map_rows(rows.view(), places.data(), offsets.data());
  const float least = *std::min_element(offsets.begin(), offsets.end());
  const float scale = space.scale() * space.scale() * space.greatest_norm() * space.greatest_norm();
  EXPECT_NEAR(least, 0, 1e-5 * scale);
  EXPECT_GT(*std::max_element(offsets.begin(), offsets.end()), 0.1f * scale);
}

// As far from each vector as from any other.
TEST(SearchSpace, AZeroQueryUnderInnerProductIsEquallyFarFromAll) {
  for (const ScalarType type : kAllTypes) {
    const TestRows rows = make_test_rows(type, 100, 8, 5);
    const SearchSpace space = SearchSpace::of_sample(rows.view(), Metric::kInnerProduct);
    const std::vector<std::byte> zero(8 * scalar_bytes(type));
    const VectorView query(type, zero.data(), 8);
    const auto all = distances_of(space, rows, Metric::kInnerProduct, query);
    for (const Distances& one : all) {
      ASSERT_EQ(one.metric, 0);
      ASSERT_EQ(one.told, all[0].told);
      ASSERT_NEAR(one.told, one.measured, 2e-5 * (std::abs(one.measured) + 10));
    }
  }
}

TEST(SearchSpace, EqualAndZeroRowsHaveASpace) {
  for (const float value : {0.0f, 3.5f}) {
    for (const Metric metric : kAllMetrics) {
      if (metric == Metric::kCosine && value == 0) continue;  // refused at the door
      const std::vector<float> values(5 * 4, value);
      const SearchSpace space =
          SearchSpace::of_sample(MatrixView::f32(values.data(), 5, 4), metric);
      EXPECT_TRUE(std::isfinite(space.scale()));
      SearchSpace::Query query;
      space.map_query(
          VectorView(ScalarType::kF32, reinterpret_cast<const std::byte*>(values.data()), 4),
          query);
      for (size_t d = 0; d < 4; ++d) EXPECT_TRUE(std::isfinite(query.place()[d]));
      EXPECT_TRUE(std::isfinite(query.distance_here(0)));
    }
  }
}

}  // namespace
}  // namespace roxanne::index
