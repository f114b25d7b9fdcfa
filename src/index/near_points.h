// The nearest of the points that were compared with a row, and their rows: what is left of the
// pages that a search read, most of which are read for one or two points.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace roxanne::index {

class NearPoints {
 public:
  struct Point {
    float distance = 0;  // of the metric
    uint32_t slot = 0;
    uint32_t page = 0;  // where it was found
    uint32_t row = 0;
  };

  // For another row: nothing is here, and `most` points will be kept.
  void begin(size_t most, size_t row_bytes) {
    most_ = most;
    row_bytes_ = row_bytes;
    points_.clear();
    points_.reserve(most);
  }
  // Its row is copied where it is among the nearest.
  void add(float distance, uint32_t slot, uint32_t page, const std::byte* row) {
    const bool is_full = points_.size() == most_;
    if (is_full && !(distance < points_.back().distance)) return;
    Point point{distance, slot, page, static_cast<uint32_t>(points_.size())};
    if (is_full) {
      point.row = points_.back().row;
      points_.pop_back();
    } else if (rows_.size() < (point.row + size_t{1}) * row_bytes_) {
      rows_.resize((point.row + size_t{1}) * row_bytes_);
    }
    std::memcpy(rows_.data() + point.row * row_bytes_, row, row_bytes_);
    const auto at =
        std::upper_bound(points_.begin(), points_.end(), distance,
                         [](float value, const Point& other) { return value < other.distance; });
    points_.insert(at, point);
  }

  // Nearest first.
  std::span<const Point> points() const { return points_; }
  const std::byte* row(const Point& point) const { return rows_.data() + point.row * row_bytes_; }

 private:
  size_t most_ = 0;
  size_t row_bytes_ = 0;
  std::vector<Point> points_;
  std::vector<std::byte> rows_;
};

}  // namespace roxanne::index
