// Which points of a cell share a page: near neighbours, so that one read brings many of a query's
// answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace roxanne::index {

// One thread's; its memory only grows.
class CellPacker {
 public:
  // Where it `yields`, other threads get the processor now and then.
  explicit CellPacker(bool yields = false) : yields_(yields) {}

  // An order of `count` points in which each run of group_points (the last one may be shorter)
  // makes a page. Groups grow around the point that is farthest from all others, by the least mean
  // distance; then pairs of points change places as long as that brings group mates nearer.
  // `points` is count x dim. Memory: count^2 floats.
  const std::vector<uint32_t>& pack(const float* points, size_t count, size_t dim,
                                    size_t group_points);

 private:
  void measure(const float* points, size_t dim);
  void grow_groups();
  void grow_group(std::vector<uint32_t>& left);
  void exchange();
  bool exchange_best(size_t point);
  float distance(size_t a, size_t b) const { return distances_[a * count_ + b]; }
  float& to_group(size_t point, size_t group) { return to_groups_[point * group_count_ + group]; }

  void let_others() const;

  const bool yields_;
  size_t count_ = 0;
  size_t group_points_ = 0;
  size_t group_count_ = 0;
  std::vector<float> distances_;  // count x count
  std::vector<float> totals_;     // of each point to all others
  std::vector<float> to_grown_;   // of each point to the group that grows
  std::vector<float> to_groups_;  // count x group_count: sums of distances to a group's points
  std::vector<uint32_t> group_of_;
  std::vector<uint32_t> place_of_;  // in order_
  std::vector<uint32_t> order_;
};

}  // namespace roxanne::index
