#include "eval/recall.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace roxanne::eval {
namespace {

// Floats summed in another order differ by a few units in the last place.
constexpr float kTieTolerance = 1e-5f;
// Wide enough for f16 inputs and for truths computed in another precision; far narrower than the
// difference between two metrics.
constexpr float kMatchTolerance = 1e-3f;
constexpr float kMatchToleranceAbsolute = 1e-5f;
// The share of compared distances that must agree.
constexpr double kMatchShareMin = 0.99;

struct Counts {
  uint64_t by_id = 0;
  uint64_t by_id_or_distance = 0;
  uint64_t compared = 0;  // answers whose row is in the truth, distances known
  uint64_t agreeing = 0;  // of them
};

bool same_distance(float a, float b) {
  const float scale = std::max(std::fabs(a), std::fabs(b));
  return std::fabs(a - b) <= kMatchTolerance * scale + kMatchToleranceAbsolute;
}

void count_query(const GroundTruth& truth, size_t query, std::span<const Answer> answers, size_t k,
                 Counts& counts) {
  const size_t first = query * truth.k;
  const bool has_distances = !truth.distances.empty();
  std::unordered_map<uint64_t, size_t> rank_of;
  for (size_t rank = 0; rank < k; ++rank) rank_of.emplace(truth.ids[first + rank], rank);
  float farthest = -std::numeric_limits<float>::infinity();
  if (has_distances) {
    const float kth = truth.distances[first + k - 1];
    farthest = kth + kTieTolerance * std::fabs(kth);
  }
  std::unordered_set<uint64_t> seen;  // an id returned twice counts once
  for (const Answer& answer : answers.first(std::min(k, answers.size()))) {
    if (answer.id != kNoId && !seen.insert(answer.id).second) continue;
    const auto found = rank_of.find(answer.id);
    const bool id_counts = found != rank_of.end();
    if (id_counts) ++counts.by_id;
    if (id_counts || (has_distances && answer.distance <= farthest)) ++counts.by_id_or_distance;
    if (id_counts && has_distances) {
      ++counts.compared;
      if (same_distance(answer.distance, truth.distances[first + found->second])) ++counts.agreeing;
    }
  }
}

}  // namespace

Result<RecallReport> measure_recall(const GroundTruth& truth,
                                    std::span<const std::vector<Answer>> answers, size_t k) {
  if (k == 0 || k > truth.k) {
    return Status::invalid_argument("k is " + std::to_string(k) + "; the ground truth has " +
                                    std::to_string(truth.k) + " neighbours a query");
  }
  if (answers.empty() || answers.size() > truth.queries) {
    return Status::invalid_argument(std::to_string(answers.size()) +
                                    " queries; the ground truth has " +
                                    std::to_string(truth.queries));
  }
  Counts counts;
  for (size_t query = 0; query < answers.size(); ++query) {
    count_query(truth, query, answers[query], k, counts);
  }
  RecallReport report;
  if (counts.compared > 0) {
    report.distances_match = static_cast<double>(counts.agreeing) >=
                             kMatchShareMin * static_cast<double>(counts.compared);
  }
  const uint64_t found =
      report.distances_match.value_or(true) ? counts.by_id_or_distance : counts.by_id;
  report.recall =
      static_cast<double>(found) / (static_cast<double>(answers.size()) * static_cast<double>(k));
  return report;
}

}  // namespace roxanne::eval
