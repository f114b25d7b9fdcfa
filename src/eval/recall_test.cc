#include "eval/recall.h"

#include <gtest/gtest.h>

namespace roxanne::eval {
namespace {

// Two queries, k = 3; row 12 of the second is as far as row 11.
GroundTruth two_queries() {
  return {.queries = 2,
          .k = 3,
          .ids = {1, 2, 3, 10, 11, 12},
          .distances = {1.0f, 2.0f, 3.0f, -5.0f, -4.0f, -4.0f}};
}

using Answers = std::vector<std::vector<Answer>>;

TEST(Recall, IsOneForTheTruthItself) {
  const Answers answers = {{{1, 1.0f}, {2, 2.0f}, {3, 3.0f}},
                           {{10, -5.0f}, {11, -4.0f}, {12, -4.0f}}};
  const auto report = measure_recall(two_queries(), answers, 3);
  ASSERT_TRUE(report.is_ok());
  EXPECT_EQ(report->recall, 1.0);
  EXPECT_EQ(report->distances_match, true);
}

TEST(Recall, CountsMissingAndWrongAnswers) {
  const Answers answers = {{{1, 1.0f}, {7, 3.5f}, {8, 9.0f}}, {{10, -5.0f}}};
  const auto report = measure_recall(two_queries(), answers, 3);
  ASSERT_TRUE(report.is_ok());
  EXPECT_DOUBLE_EQ(report->recall, 2.0 / 6.0);
}

TEST(Recall, CountsAnotherRowAsNearAsTheLast) {
  const Answers answers = {{{1, 1.0f}, {2, 2.0f}, {9, 3.00001f}}, {{10, -5.0f}, {12, -4.0f}}};
  const auto at_3 = measure_recall(two_queries(), answers, 3);
  ASSERT_TRUE(at_3.is_ok());
  EXPECT_DOUBLE_EQ(at_3->recall, 5.0 / 6.0);
  // Row 12 is no id of the first two, but ties with the second.
  const auto at_2 = measure_recall(two_queries(), answers, 2);
  ASSERT_TRUE(at_2.is_ok());
  EXPECT_EQ(at_2->recall, 1.0);
}

TEST(Recall, IgnoresAnswersAfterTheKth) {
  const Answers answers = {{{7, 8.0f}, {8, 9.0f}, {1, 1.0f}}};
  const auto report = measure_recall(two_queries(), answers, 2);
  ASSERT_TRUE(report.is_ok());
  EXPECT_EQ(report->recall, 0.0);
}

TEST(Recall, CountsAnIdReturnedTwiceOnce) {
  const Answers answers = {{{1, 1.0f}, {1, 1.0f}, {1, 1.0f}}};
  const auto report = measure_recall(two_queries(), answers, 3);
  ASSERT_TRUE(report.is_ok());
  EXPECT_DOUBLE_EQ(report->recall, 1.0 / 3.0);
}

TEST(Recall, ComparesIdsAloneWhereThereAreNoDistances) {
  GroundTruth truth = two_queries();
  truth.distances.clear();
  const Answers answers = {{{1, 0.0f}, {2, 0.0f}, {9, 0.0f}}};
  const auto report = measure_recall(truth, answers, 3);
  ASSERT_TRUE(report.is_ok());
  EXPECT_DOUBLE_EQ(report->recall, 2.0 / 3.0);
  EXPECT_FALSE(report->distances_match.has_value());
}

TEST(Recall, ComparesIdsAloneWhereDistancesAreInAnotherUnit) {
  // The truth's distances are larger throughout: by distance, wrong answers would count.
  const Answers answers = {{{1, 0.1f}, {8, 0.2f}, {9, 0.3f}}};
  const auto report = measure_recall(two_queries(), answers, 3);
  ASSERT_TRUE(report.is_ok());
  EXPECT_EQ(report->distances_match, false);
  EXPECT_DOUBLE_EQ(report->recall, 1.0 / 3.0);
}

TEST(Recall, ComparesDistancesAloneWherePointsAreNoRows) {
  const Answers answers = {{{kNoId, 1.0f}, {kNoId, 2.0f}, {kNoId, 7.0f}}};
  const auto report = measure_recall(two_queries(), answers, 3);
  ASSERT_TRUE(report.is_ok());
  EXPECT_DOUBLE_EQ(report->recall, 2.0 / 3.0);
}

TEST(Recall, RefusesMoreThanTheTruthHas) {
  EXPECT_EQ(measure_recall(two_queries(), Answers(1), 4).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(measure_recall(two_queries(), Answers(3), 3).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(measure_recall(two_queries(), Answers(), 3).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace roxanne::eval
