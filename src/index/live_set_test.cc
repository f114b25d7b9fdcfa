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

// Copies share what did not change since: a change of one must not show in another.
TEST(LiveSet, CopiesChangeByThemselves) {
  std::mt19937 random(7);
  const auto any_slots = [&](int count) {
    std::vector<uint32_t> slots;
    for (int i = 0; i < count; ++i) slots.push_back(random() % (200 * kLiveChunkSlots));
    return slots;
  };
  std::vector<LiveSet> sets(4);
  std::vector<std::set<uint32_t>> models(4);
  for (int round = 0; round < 300; ++round) {
    const size_t from = random() % 4, to = random() % 4;
    sets[to] = sets[from];
    models[to] = models[from];
    const bool are_in = random() % 3 != 0;
    std::vector<uint32_t> slots = any_slots(1 + static_cast<int>(random() % 40));
    for (const uint32_t slot : slots) {
      if (are_in) {
        models[to].insert(slot);
      } else {
        models[to].erase(slot);
      }
    }
    set_slots(sets[to], slots, are_in);
    for (size_t i = 0; i < 4; ++i) {
      ASSERT_EQ(slots_of(sets[i]), sorted(models[i]));
      ASSERT_EQ(sets[i].count(), models[i].size());
    }
  }
}

TEST(LiveSet, NamesTheChunksThatChanged) {
  const LiveSet before = set_of_slots_below(150 * kLiveChunkSlots);
  LiveSet after = before;
  EXPECT_TRUE(LiveSet::changed_chunks(before, after).empty());
  set_slots(after, {5, 70 * kLiveChunkSlots, 149 * kLiveChunkSlots}, false);
  set_slots(after, {300 * kLiveChunkSlots}, true);
  const std::vector<size_t> changed = {0, 70, 149, 300};
  EXPECT_EQ(LiveSet::changed_chunks(before, after), changed);
  EXPECT_EQ(LiveSet::changed_chunks(after, before), changed);
  const LiveSet::Change nothing_at_70{70, nullptr};
  after.set_chunks({&nothing_at_70, 1});
  EXPECT_EQ(after.chunks().size(), 150u);  // 151 with the one that is gone
  EXPECT_FALSE(after.contains(70 * kLiveChunkSlots + 1));
  EXPECT_TRUE(before.contains(70 * kLiveChunkSlots));
}

}  // namespace
}  // namespace roxanne::index
