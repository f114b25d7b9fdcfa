#include "index/cell_packing.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

#include "kernels/distance.h"

namespace roxanne::index {
namespace {

constexpr size_t kExchangePasses = 3;
// Points whose distances to all others take some tens of microseconds.
constexpr size_t kPointsTogether = 8;

}  // namespace

const std::vector<uint32_t>& CellPacker::pack(const float* points, size_t count, size_t dim,
                                              size_t group_points) {
  count_ = count;
  group_points_ = group_points;
  group_count_ = (count + group_points - 1) / group_points;
  order_.clear();
  if (group_count_ <= 1) {
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), 0u);
    return order_;
  }
  measure(points, dim);
  grow_groups();
  if (group_points_ > 1) exchange();
  return order_;
}

void CellPacker::let_others() const {
  if (yields_) std::this_thread::yield();
}

void CellPacker::measure(const float* points, size_t dim) {
  distances_.resize(count_ * count_);
  totals_.assign(count_, 0);
  for (size_t i = 0; i < count_; ++i) {
    if (i % kPointsTogether == 0) let_others();
    float* row = distances_.data() + i * count_;
    kernels::kernels().l2_f32(points + i * dim, points, count_, dim, row);
    totals_[i] = std::accumulate(row, row + count_, 0.0f);
  }
}

void CellPacker::grow_groups() {
  group_of_.resize(count_);
  place_of_.resize(count_);
  std::vector<uint32_t> left(count_);
  std::iota(left.begin(), left.end(), 0u);
  while (!left.empty()) {
    let_others();
    grow_group(left);
  }
}

// Takes one group out of `left`.
void CellPacker::grow_group(std::vector<uint32_t>& left) {
  const auto group = static_cast<uint32_t>(order_.size() / group_points_);
  const auto take = [&](size_t at) {
    const uint32_t point = left[at];
    group_of_[point] = group;
    place_of_[point] = static_cast<uint32_t>(order_.size());
    order_.push_back(point);
    left[at] = left.back();
    left.pop_back();
    return point;
  };
  size_t first = 0;
  for (size_t i = 1; i < left.size(); ++i) {
    if (totals_[left[i]] > totals_[left[first]]) first = i;
  }
  uint32_t newest = take(first);
  to_grown_.assign(count_, 0);
  for (size_t size = 1; size < group_points_ && !left.empty(); ++size) {
    const float* row = distances_.data() + newest * count_;
    size_t best = 0;
    for (size_t i = 0; i < left.size(); ++i) {
      to_grown_[left[i]] += row[left[i]];
      if (to_grown_[left[i]] < to_grown_[left[best]]) best = i;
    }
    newest = take(best);
  }
}

void CellPacker::exchange() {
  to_groups_.assign(count_ * group_count_, 0);
  for (size_t i = 0; i < count_; ++i) {
    for (size_t j = 0; j < count_; ++j) to_group(i, group_of_[j]) += distance(i, j);
  }
  for (size_t pass = 0; pass < kExchangePasses; ++pass) {
    bool has_changed = false;
    for (size_t i = 0; i < count_; ++i) {
      if (i % (4 * kPointsTogether) == 0) let_others();
      has_changed |= exchange_best(i);
    }
    if (!has_changed) break;
  }
}

// Exchanges the point with the one that makes both their groups tightest; false where none does.
bool CellPacker::exchange_best(size_t point) {
  const uint32_t own = group_of_[point];
  const float own_sum = to_group(point, own);
  const float* row = distances_.data() + point * count_;
  // Rounding must not let two points change places for ever.
  float best_gain = 1e-5f * own_sum;
  size_t best = point;
  for (size_t j = 0; j < count_; ++j) {
    const uint32_t other = group_of_[j];
    if (other == own) continue;
    const float gain =
        own_sum - to_group(point, other) + to_group(j, other) - to_group(j, own) + 2 * row[j];
    if (gain > best_gain) {
      best_gain = gain;
      best = j;
    }
  }
  if (best == point) return false;
  const uint32_t other = group_of_[best];
  const float* best_row = distances_.data() + best * count_;
  for (size_t i = 0; i < count_; ++i) {
    const float change = best_row[i] - row[i];
    to_group(i, own) += change;
    to_group(i, other) -= change;
  }
  std::swap(group_of_[point], group_of_[best]);
  std::swap(place_of_[point], place_of_[best]);
  order_[place_of_[point]] = static_cast<uint32_t>(point);
  order_[place_of_[best]] = static_cast<uint32_t>(best);
  return true;
}

}  // namespace roxanne::index
