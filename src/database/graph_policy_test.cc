#include "database/graph_policy.h"

#include <gtest/gtest.h>

namespace roxanne::database {
namespace {

constexpr uint64_t kMany = 1'000'000;
constexpr uint64_t kBudget = 4ull << 30;

GraphRules rules(uint64_t points_min = 10'000, size_t row_bytes = 128) {
  return {points_min, row_bytes, tail_limits(row_bytes, kBudget)};
}

TEST(GraphPolicy, TailsAreBoundedInRowsAndInBytes) {
  EXPECT_EQ(tail_limits(128, kBudget).rows, 32768u);
  EXPECT_EQ(tail_limits(4096, kBudget).rows, 2048u);
  EXPECT_EQ(tail_limits(128, 12u << 20).rows, 4096u) << "a part of a small budget";
  EXPECT_EQ(tail_rows_max(rules()), 16384u);
  EXPECT_GE(tail_rows_max({10'000, 65536, tail_limits(65536, 1u << 20)}), 16u);
}

TEST(GraphPolicy, LittleIsTakenInAndMuchIsBuilt) {
  const UpdateCosts costs = usual_costs(1);
  EXPECT_FALSE(prefers_build({.points = kMany, .nodes = kMany, .tail = 200'000}, costs));
  EXPECT_TRUE(prefers_build({.points = kMany, .nodes = kMany, .tail = 300'000}, costs));
  EXPECT_TRUE(prefers_build({.points = kMany, .nodes = kMany, .dead = 300'000}, costs));
  // Between the two by what was measured, at the ends whatever was measured.
  const UpdateCosts fast{1, 1000}, slow{1e6, 1};
  EXPECT_FALSE(prefers_build({.points = kMany, .nodes = kMany, .tail = 300'000}, fast));
  EXPECT_TRUE(prefers_build({.points = kMany, .nodes = kMany, .tail = 500'000}, fast));
  EXPECT_FALSE(prefers_build({.points = kMany, .nodes = kMany, .tail = 15'000}, slow));
}

TEST(GraphPolicy, ABulkIsMoreThanWritersMayBeAhead) {
  const UpdateCosts costs = usual_costs(1);
  const UpdateCosts slow{1e6, 1};
  EXPECT_FALSE(
      is_bulk_build_due({.points = 800'000, .nodes = 740'000, .tail = 60'000}, rules(), slow));
  EXPECT_TRUE(
      is_bulk_build_due({.points = 800'000, .nodes = 550'000, .tail = 250'000}, rules(), costs));
  EXPECT_FALSE(is_bulk_build_due({.points = 9'000, .tail = 9'000}, rules(), costs)) << "too small";
  EXPECT_TRUE(
      is_bulk_build_due({.points = 20'000, .nodes = 10'000, .tail = 10'000}, rules(), costs))
      << "a small one is built quickly";
}

TEST(GraphPolicy, AGraphThatCannotChangeIsRenewed) {
  EXPECT_TRUE(is_renewal_due({.points = 10'000}, rules()));
  EXPECT_FALSE(is_renewal_due({.points = 9'999}, rules()));
  EXPECT_FALSE(is_renewal_due({.points = 110'000, .nodes = 100'000, .tail = 10'000}, rules()));
  EXPECT_TRUE(is_renewal_due({.points = 110'000, .nodes = 99'000, .tail = 11'000}, rules()));
  EXPECT_TRUE(is_renewal_due({.points = 79'000, .nodes = 100'000, .dead = 21'000}, rules()));
}

TEST(GraphPolicy, AnImageServesBesideAShortTail) {
  EXPECT_FALSE(is_image_outdated({.points = kMany, .nodes = kMany, .tail = 4096}, rules()));
  EXPECT_TRUE(is_image_outdated({.points = kMany, .nodes = kMany, .tail = 4097}, rules()));
  EXPECT_TRUE(is_image_outdated({.points = kMany, .nodes = kMany, .dead = 130'000}, rules()));
  EXPECT_TRUE(is_image_outdated({.points = 1000, .nodes = 1000, .tail = 201}, rules(200)));
  EXPECT_TRUE(
      is_image_outdated({.points = kMany, .nodes = kMany, .tail = 1100}, rules(10'000, 4096)))
      << "large rows";
}

}  // namespace
}  // namespace roxanne::database
