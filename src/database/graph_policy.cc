#include "database/graph_policy.h"

#include <algorithm>

#include "database/collection_impl.h"

namespace roxanne::database {
namespace {

// A tail costs every search: at these lengths some hundred microseconds.
constexpr uint64_t kTailRowsMax = 32768;
constexpr uint64_t kTailBytesMax = 8u << 20;
constexpr uint64_t kTailBudgetShare = 24;
// Writers wait where half of that is taken: a large batch finds room then.
constexpr uint64_t kThrottleShare = 2;
constexpr uint64_t kThrottleRowsMin = 16;

// Measured on vectors of 128 bytes with one thread; more than one works at each.
constexpr double kChangeUs = 700;
constexpr double kBuildUs = 40;

// Whatever was measured: below one change in so many points a graph is changed in place, from one
// in so many on it is built anew.
constexpr uint64_t kChangeShare = 4;
constexpr uint64_t kBuildShare = 2;
// Between these it is built anew where that costs less than one part in so many of changing it: a
// build wants more memory, and writes all of its files.
constexpr double kBuildAdvantage = 4;
// A bulk is at least so many times what writers may be ahead.
constexpr uint64_t kBulkFactor = 4;

// A resident form serves beside a tail that costs a search a few microseconds.
constexpr uint64_t kImageTailMax = 4096;
constexpr uint64_t kImageDeadShare = 8;

// A graph that cannot be changed is made anew where more than one in so many of its points came
// since, or one in so many is dead, or where the vectors that every search compares with exceed
// this: a few walks.
constexpr uint64_t kRenewalTailShare = 10;
constexpr uint64_t kRenewalDeadShare = 5;
constexpr uint64_t kRenewalTailBytes = 4u << 20;

}  // namespace

GraphLag lag_of(const Version& version) {
  GraphLag lag;
  lag.points = version.live.count();
  if (version.graph == nullptr) {
    lag.tail = lag.points;
    return lag;
  }
  lag.nodes = version.node_count;
  lag.tail = version.tail.count();
  lag.dead = lag.nodes - (lag.points - lag.tail);
  return lag;
}

TailLimits tail_limits(size_t row_bytes, uint64_t budget_bytes) {
  TailLimits limits;
  limits.bytes = std::min(kTailBytesMax, budget_bytes / kTailBudgetShare);
  limits.rows = std::min(kTailRowsMax, limits.bytes / row_bytes);
  return limits;
}

uint64_t tail_rows_max(const GraphRules& rules) {
  return std::max(kThrottleRowsMin, rules.tail.rows / kThrottleShare);
}

UpdateCosts usual_costs(size_t threads) {
  const auto count = static_cast<double>(std::max<size_t>(1, threads));
  return {kChangeUs / count, kBuildUs / count};
}

bool prefers_build(const GraphLag& lag, const UpdateCosts& costs) {
  if (lag.pending() <= lag.points / kChangeShare) return false;
  if (lag.pending() >= lag.points / kBuildShare) return true;
  return static_cast<double>(lag.pending()) * costs.change_us >
         kBuildAdvantage * static_cast<double>(lag.points) * costs.build_us;
}

bool is_bulk_build_due(const GraphLag& lag, const GraphRules& rules, const UpdateCosts& costs) {
  if (lag.points < rules.index_points_min) return false;
  // A small graph is built in no time, but not for each handful of points.
  const uint64_t least = lag.pending() >= lag.points / kBuildShare
                             ? std::min(kImageTailMax, rules.index_points_min)
                             : kBulkFactor * tail_rows_max(rules);
  return lag.pending() > least && prefers_build(lag, costs);
}

bool is_renewal_due(const GraphLag& lag, const GraphRules& rules) {
  if (lag.points < rules.index_points_min) return false;
  if (lag.nodes == 0) return true;
  const uint64_t tail_max =
      std::max(rules.index_points_min,
               std::min(lag.nodes / kRenewalTailShare, kRenewalTailBytes / rules.row_bytes));
  return lag.tail > tail_max || lag.dead > lag.nodes / kRenewalDeadShare;
}

bool is_image_outdated(const GraphLag& lag, const GraphRules& rules) {
  const uint64_t tail_max = std::min({kImageTailMax, tail_rows_max(rules), rules.index_points_min});
  return lag.tail > tail_max || lag.dead > lag.nodes / kImageDeadShare;
}

}  // namespace roxanne::database
