#include "quantize/scalar_quantizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/random.h"
#include "quantize/recall_data.h"

namespace roxanne::quantize {
namespace {

std::vector<float> estimates_of(const RecallSet& set, size_t q, size_t bits) {
  ScalarQuantizer quantizer(set.base().dim, set.metric(), {.bits = bits});
  quantizer.train(set.base().view());
  std::vector<uint8_t> codes(set.base().rows * quantizer.code_bytes());
  quantizer.encode(set.base().view(), codes.data());
  std::vector<float> out(set.base().rows);
  quantizer.prepare_query(set.query(q))->estimate(codes.data(), out.size(), out.data());
  return out;
}

Rows random_integers(ScalarType type, size_t count, uint64_t seed) {
  constexpr size_t kDim = 77;
  Random random(seed);
  Rows rows = {type, count, kDim, std::vector<std::byte>(count * kDim)};
  for (std::byte& value : rows.bytes) value = static_cast<std::byte>(random.next());
  return rows;
}

TEST(ScalarQuantizer, IntegersUnderL2AreExact) {
  for (const ScalarType type : {ScalarType::kU8, ScalarType::kI8}) {
    const RecallSet set(random_integers(type, 50, 1), random_integers(type, 3, 2), Metric::kL2);
    std::vector<float> exact(50);
    for (size_t q = 0; q < 3; ++q) {
      set.exact_distances(q, exact.data());
      EXPECT_EQ(estimates_of(set, q, 8), exact);
    }
  }
}

TEST(ScalarQuantizer, IntegersUnderInnerProductAreNearlySo) {
  for (const ScalarType type : {ScalarType::kU8, ScalarType::kI8}) {
    const RecallSet set(random_integers(type, 50, 1), random_integers(type, 3, 2),
                        Metric::kInnerProduct);
    std::vector<float> exact(50);
    for (size_t q = 0; q < 3; ++q) {
      set.exact_distances(q, exact.data());
      const std::vector<float> found = estimates_of(set, q, 8);
      // Only the query is rounded: by at most one part in 254 of its largest coordinate.
      const double walk = 256.0 / 254 / std::sqrt(3.0) * 74 * std::sqrt(77.0);
      for (size_t i = 0; i < 50; ++i) EXPECT_NEAR(found[i], exact[i], 5 * walk);
    }
  }
}

TEST(ScalarQuantizer, QueriesOutsideTheRangeOfRowsAreFarFromThem) {
  std::vector<float> values(40 * 16), query(16, 10.0f);
  Random random(3);
  for (float& value : values) value = static_cast<float>(random.uniform());
  const RecallSet set(rows_of_floats(values, 16), rows_of_floats(query, 16), Metric::kL2);
  std::vector<float> exact(40);
  set.exact_distances(0, exact.data());
  const std::vector<float> found = estimates_of(set, 0, 8);
  // The query is cut to the range: what lies beyond counts, what it makes of differences does not.
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_LE(found[i], exact[i] * 1.01f);
    EXPECT_GE(found[i], 16 * 9 * 9 * 0.99f);
  }
}

}  // namespace
}  // namespace roxanne::quantize
