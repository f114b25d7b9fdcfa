// Which entry of a codebook is nearest.
#include <limits>

#include "kernels/test_data.h"

namespace roxanne::kernels {
namespace {

class ProductCodes : public Kernels {
 protected:
  // Points and entries may end where memory does, and lie anywhere.
  uint32_t nearest(const std::vector<float>& point, const std::vector<float>& entries) {
    const GuardedBytes point_at(point.data(), point.size() * sizeof(float));
    const GuardedBytes entries_at(entries.data(), entries.size() * sizeof(float));
    return table().nearest_entry(static_cast<const float*>(point_at.data()), point.size(),
                                 static_cast<const float*>(entries_at.data()));
  }
};

std::vector<float> small_numbers(Random& random, size_t count, uint32_t limit) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random() % limit);
  return values;
}

double distance(const std::vector<float>& point, const std::vector<float>& entries, size_t entry) {
  double sum = 0;
  for (size_t d = 0; d < point.size(); ++d) {
    const double difference = double{point[d]} - entries[d * kCodebookEntries + entry];
    sum += difference * difference;
  }
  return sum;
}

// Sums of such numbers are exact on any machine: many entries are equally near.
TEST_P(ProductCodes, TheLowestOfEqualEntriesIsNamed) {
  Random random(1);
  for (size_t dim = 1; dim <= 40; ++dim) {
    for (const uint32_t limit : {1u, 2u, 4u, 100u}) {
      const auto point = small_numbers(random, dim, limit);
      const auto entries = small_numbers(random, dim * kCodebookEntries, limit);
      uint32_t want = 0;
      for (uint32_t e = 1; e < kCodebookEntries; ++e) {
        if (distance(point, entries, e) < distance(point, entries, want)) want = e;
      }
      ASSERT_EQ(nearest(point, entries), want) << "dim " << dim << " limit " << limit;
      ASSERT_EQ(scalar().nearest_entry(point.data(), dim, entries.data()), want);
    }
  }
}

TEST_P(ProductCodes, EachEntryCanBeNamed) {
  Random random(2);
  for (const size_t dim : {1u, 2u, 7u, 8u, 17u}) {
    const auto entries = random_rows<F32Type>(random, dim * kCodebookEntries);
    for (uint32_t e = 0; e < kCodebookEntries; ++e) {
      std::vector<float> point(dim);
      for (size_t d = 0; d < dim; ++d) point[d] = entries[d * kCodebookEntries + e];
      ASSERT_EQ(distance(point, entries, nearest(point, entries)), 0) << "dim " << dim;
    }
  }
}

// Sums are rounded in another order than scalar's: the entry named may be another one, no farther.
TEST_P(ProductCodes, IsNearestUpToRounding) {
  Random random(3);
  for (size_t dim = 1; dim <= 40; ++dim) {
    for (size_t round = 0; round < 10; ++round) {
      const auto point = random_rows<F32Type>(random, dim);
      const auto entries = random_rows<F32Type>(random, dim * kCodebookEntries);
      const uint32_t want = scalar().nearest_entry(point.data(), dim, entries.data());
      const uint32_t got = nearest(point, entries);
      ASSERT_LT(got, kCodebookEntries);
      const double least = distance(point, entries, want);
      ASSERT_NEAR(distance(point, entries, got), least, 1e-5 * least + 1e-12) << "dim " << dim;
    }
  }
}

TEST_P(ProductCodes, WhereAllAreInfinitelyFarTheFirstIsNamed) {
  const std::vector<float> point(3, 3e38f);
  const std::vector<float> entries(3 * kCodebookEntries, -3e38f);
  EXPECT_EQ(nearest(point, entries), 0u);
}

INSTANTIATE_TEST_SUITE_P(Isa, ProductCodes, testing::ValuesIn(known_isas()), isa_name);

}  // namespace
}  // namespace roxanne::kernels
