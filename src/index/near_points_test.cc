#include "index/near_points.h"

#include <gtest/gtest.h>

#include <random>

namespace roxanne::index {
namespace {

TEST(NearPoints, KeepsTheNearestWithTheirRows) {
  std::mt19937 random(1);
  NearPoints near;
  for (const size_t count : {0, 5, 64, 1000}) {
    constexpr size_t kMost = 64;
    near.begin(kMost, sizeof(uint32_t));
    std::vector<std::pair<float, uint32_t>> all;
    for (uint32_t slot = 0; slot < count; ++slot) {
      const float distance = static_cast<float>(random() % 100000) + 0.25f;
      const uint32_t row = slot * 7;
      near.add(distance, slot, slot / 15, reinterpret_cast<const std::byte*>(&row));
      all.push_back({distance, slot});
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    ASSERT_EQ(near.points().size(), std::min(count, kMost));
    for (size_t i = 0; i < near.points().size(); ++i) {
      const NearPoints::Point& point = near.points()[i];
      EXPECT_EQ(point.distance, all[i].first);
      EXPECT_EQ(point.slot, all[i].second);
      EXPECT_EQ(point.page, point.slot / 15);
      uint32_t row = 0;
      std::memcpy(&row, near.row(point), sizeof row);
      EXPECT_EQ(row, point.slot * 7);
    }
  }
}

}  // namespace
}  // namespace roxanne::index
