// What carving decides, apart from how distances are had and in which order groups are done:
// leaders, groups and their seeds. Every back end decides here, so that all find the same leaves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace roxanne::graph {

struct PartitionOptions {
  // Leaders that a point joins at the first and the second level; one at each later level.
  size_t fanout_first = 10;
  size_t fanout_second = 3;
  size_t leaf_points_max = 512;
  size_t leaf_points_min = 64;  // smaller groups are put together
  double leader_fraction = 0.005;
  size_t leaders_max = 1000;
  // Leaves without a point below it are left out, and what would be carved into such. 0 = none are.
  size_t source_count = 0;
  uint64_t seed = 1;
};

// Members of each group, ascending.
using Groups = std::vector<std::vector<uint32_t>>;

// The points of one group that the others gather around, and how many of them each point joins.
struct Leaders {
  std::vector<uint32_t> places;  // in the group, in random order; empty: the group is not carved
  size_t fanout = 0;             // at most places.size()
};

// Room around the leaders that the first level's codes are scaled by (Points::frame).
inline constexpr float kFrameHeadroom = 1.25f;
// Levels of carving; a group that is still too large then is split at random.
inline constexpr size_t kCarvedLevelsMax = 12;

// The first level: leaders of all points. None where they are few enough for one leaf.
Leaders choose_first_leaders(size_t point_count, const PartitionOptions& options);
// The cells that the first level makes: point i joined the leaders joined[i * fanout...].
Groups make_cells(std::span<const uint16_t> joined, size_t point_count, const Leaders& leaders,
                  const PartitionOptions& options);
// Of cell `number`, from 0.
uint64_t cell_seed(const PartitionOptions& options, size_t number);

// A later level (1, 2, ...): leaders of a group that is no leaf. None where it is to be split at
// random.
Leaders choose_leaders(size_t member_count, size_t level, uint64_t seed,
                       const PartitionOptions& options);
// The groups that a group falls into: member i joined the leaders joined[i * fanout...], numbers in
// `leaders.places`. Those of few members are put together.
Groups make_groups(std::span<const uint32_t> members, std::span<const uint32_t> joined,
                   const Leaders& leaders, uint64_t seed, const PartitionOptions& options);
// Of group `number` (from 0) of those that a group of this seed fell into.
uint64_t group_seed(uint64_t seed, size_t number);

// Whether a group is carved no further.
inline bool is_leaf(size_t member_count, const PartitionOptions& options) {
  return member_count <= options.leaf_points_max;
}
// Whether nothing is to be found in a group whose first member is point `first`.
inline bool is_left_out(size_t member_count, uint32_t first, const PartitionOptions& options) {
  return member_count < 2 || (options.source_count != 0 && first >= options.source_count);
}

}  // namespace roxanne::graph
