#include "graph/carving.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/status_macros.h"
#include "graph/random_ids.h"

namespace roxanne::graph {
namespace {

// A group larger than this share of what it was carved from was not carved: equal points, say.
constexpr double kStuckShare = 0.8;

// Puts groups that are too small together, in the order of their leaders, which is random.
Groups merge_small(Groups groups, const PartitionOptions& options) {
  Groups merged;
  std::vector<uint32_t> pool;
  const auto flush = [&] {
    if (pool.empty()) return;
    std::sort(pool.begin(), pool.end());
    pool.erase(std::unique(pool.begin(), pool.end()), pool.end());
    merged.push_back(std::move(pool));
    pool.clear();
  };
  for (auto& group : groups) {
    if (group.size() >= options.leaf_points_min) {
      merged.push_back(std::move(group));
      continue;
    }
    if (pool.size() + group.size() > options.leaf_points_max) flush();
    pool.insert(pool.end(), group.begin(), group.end());
  }
  flush();
  return merged;
}

bool is_stuck(const Groups& groups, size_t count) {
  return std::any_of(groups.begin(), groups.end(), [&](const auto& group) {
    return static_cast<double>(group.size()) > kStuckShare * static_cast<double>(count);
  });
}

Groups split_at_random(std::span<const uint32_t> members, uint64_t seed,
                       const PartitionOptions& options) {
  const std::vector<uint32_t> order =
      random_ids(static_cast<uint32_t>(members.size()), members.size(), seed);
  const size_t count = (members.size() + options.leaf_points_max - 1) / options.leaf_points_max;
  Groups groups(count);
  for (size_t i = 0; i < order.size(); ++i) groups[i % count].push_back(members[order[i]]);
  for (auto& group : groups) std::sort(group.begin(), group.end());
  return groups;
}

}  // namespace

Leaders choose_first_leaders(size_t point_count, const PartitionOptions& options) {
  if (is_leaf(point_count, options)) return {};
  const size_t wanted =
      static_cast<size_t>(options.leader_fraction * static_cast<double>(point_count)) +
      2 * options.fanout_first;
  const size_t leader_count = std::min({wanted, options.leaders_max, point_count});
  return {random_ids(static_cast<uint32_t>(point_count), leader_count, options.seed),
          std::min(options.fanout_first, leader_count)};
}

Groups make_cells(std::span<const uint16_t> joined, size_t point_count, const Leaders& leaders,
                  const PartitionOptions& options) {
  ROX_ASSERT(joined.size() == point_count * leaders.fanout);
  Groups cells(std::max<size_t>(1, leaders.places.size()));
  size_t at = 0;
  for (size_t i = 0; i < point_count; ++i) {
    for (size_t j = 0; j < leaders.fanout; ++j) {
      cells[joined[at++]].push_back(static_cast<uint32_t>(i));
    }
  }
  if (leaders.places.empty() || is_stuck(cells, point_count)) {
    // Most points are near one leader: let the next level, whose codes are finer, carve them.
    cells.assign(1, std::vector<uint32_t>(point_count));
    std::iota(cells[0].begin(), cells[0].end(), 0u);
  }
  return leaders.places.empty() ? cells : merge_small(std::move(cells), options);
}

uint64_t cell_seed(const PartitionOptions& options, size_t number) {
  return mix_seeds(options.seed, number + 1);
}

Leaders choose_leaders(size_t member_count, size_t level, uint64_t seed,
                       const PartitionOptions& options) {
  if (level >= kCarvedLevelsMax) return {};
  const size_t fanout = level == 1 ? options.fanout_second : 1;
  // So many leaders that their groups are leaves of about half the allowed size.
  const size_t wanted = 2 * fanout * member_count / options.leaf_points_max + 2;
  const size_t leader_count = std::min({wanted, options.leaders_max, member_count});
  return {random_ids(static_cast<uint32_t>(member_count), leader_count, seed),
          std::min(fanout, leader_count)};
}

Groups make_groups(std::span<const uint32_t> members, std::span<const uint32_t> joined,
                   const Leaders& leaders, uint64_t seed, const PartitionOptions& options) {
  ROX_ASSERT(joined.size() == members.size() * leaders.fanout);
  Groups groups(leaders.places.size());
  size_t at = 0;
  for (const uint32_t member : members) {
    for (size_t j = 0; j < leaders.fanout; ++j) groups[joined[at++]].push_back(member);
  }
  if (groups.empty() || is_stuck(groups, members.size())) {
    groups = split_at_random(members, seed, options);
  }
  return merge_small(std::move(groups), options);
}

uint64_t group_seed(uint64_t seed, size_t number) { return mix_seeds(seed, number + 1); }

}  // namespace roxanne::graph
