#include "index/live_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <set>

namespace roxanne::index {
namespace {

std::vector<uint32_t> sorted(const std::set<uint32_t>& slots) {
  return {slots.begin(), slots.end()};
}

TEST(LiveSet, SetsAreMadeOfSlotsAndGiveThemBack) {
  const std::set<uint32_t> slots = {0, 63, 64, 2047, 2048, 9000};
  const LiveSet set = set_of_slots(sorted(slots));
  EXPECT_EQ(set.count(), slots.size());
  EXPECT_EQ(slots_of(set), sorted(slots));
  EXPECT_TRUE(set.contains(9000));
  EXPECT_FALSE(set.contains(9001));
}

TEST(LiveSet, SlotsBelowAnEndAreExactlyThose) {
  for (const uint64_t end : {0, 1, 63, 64, 65, 2047, 2048, 2049, 5000}) {
    const LiveSet set = set_of_slots_below(end);
    EXPECT_EQ(set.count(), end);
    if (end > 0) {
      EXPECT_TRUE(set.contains(static_cast<uint32_t>(end - 1)));
    }
    EXPECT_FALSE(set.contains(static_cast<uint32_t>(end)));
  }
}

TEST(LiveSet, DifferencesAndUnionsAgreeWithSets) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    std::set<uint32_t> a, b;
    for (int i = 0; i < 300; ++i) a.insert(random() % 9000);
    for (int i = 0; i < 300; ++i) b.insert(random() % (round % 2 == 0 ? 3000 : 12000));
    const LiveSet set_a = set_of_slots(sorted(a));
    const LiveSet set_b = set_of_slots(sorted(b));
    std::vector<uint32_t> difference, all;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(difference));
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
    EXPECT_EQ(slots_of(without(set_a, set_b)), difference);
    EXPECT_EQ(without(set_a, set_b).count(), difference.size());
    EXPECT_EQ(slots_of(united(set_a, set_b)), all);
    EXPECT_EQ(slots_of(united(set_b, set_a)), all);
  }
}

}  // namespace
}  // namespace roxanne::index
