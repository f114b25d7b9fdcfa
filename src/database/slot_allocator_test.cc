#include "database/slot_allocator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "roxanne/types.h"

namespace roxanne::database {
namespace {

index::LiveSet live_with(const std::set<uint32_t>& slots) {
  return index::set_of_slots(std::vector<uint32_t>(slots.begin(), slots.end()));
}

TEST(SlotAllocator, NeverHandsOutATakenSlot) {
  const std::set<uint32_t> initial = {0, 1, 5, 63, 64, 2047, 2048, 6000};
  SlotAllocator allocator(live_with(initial));
  EXPECT_EQ(allocator.end(), 6001u);
  EXPECT_EQ(allocator.free_count(), 6001u - initial.size());
  std::set<uint32_t> taken = initial;
  std::mt19937 random(1);
  for (int step = 0; step < 3000; ++step) {
    if (random() % 3 != 0 || taken.empty()) {
      const auto slots = allocator.take(random() % 20, random() % 4 != 0);
      EXPECT_TRUE(std::is_sorted(slots.begin(), slots.end()));
      for (const uint32_t slot : slots) EXPECT_TRUE(taken.insert(slot).second) << slot;
    } else {
      std::vector<uint32_t> back;
      for (int i = 0; i < 10 && !taken.empty(); ++i) {
        const auto victim = std::next(taken.begin(), static_cast<long>(random() % taken.size()));
        back.push_back(*victim);
        taken.erase(victim);
      }
      allocator.give_back(back);
    }
    ASSERT_EQ(allocator.end() - allocator.free_count(), taken.size());
  }
}

TEST(SlotAllocator, ReusesTheLowestFirstAndOnlyWhenAllowed) {
  SlotAllocator allocator(live_with({0, 2, 3}));
  EXPECT_EQ(allocator.take(2, false), (std::vector<uint32_t>{4, 5}));
  EXPECT_EQ(allocator.take(2, true), (std::vector<uint32_t>{1, 6}));
}

TEST(SlotAllocator, SlotsInTheFileAreReusedOnesEvenBehindTheLastLive) {
  SlotAllocator allocator(live_with({0, 1}), 10);
  EXPECT_EQ(allocator.free_count(), 8u);
  EXPECT_EQ(allocator.take(2, false), (std::vector<uint32_t>{10, 11}));
  EXPECT_EQ(allocator.take(2, true), (std::vector<uint32_t>{2, 3}));
}

TEST(SlotAllocator, TakesBelowAnEndAndLowersItsOwn) {
  SlotAllocator allocator(live_with({0, 2, 3, 100, 300}), 4096);
  EXPECT_EQ(allocator.take_below(3, 5), (std::vector<uint32_t>{1, 4}));
  EXPECT_TRUE(allocator.take_below(3, 5).empty());
  EXPECT_TRUE(allocator.any_taken(256, 64));
  EXPECT_FALSE(allocator.any_taken(128, 128));
  EXPECT_FALSE(allocator.any_taken(320, 1 << 20));
  allocator.lower_end();
  EXPECT_EQ(allocator.end(), 301u);
  EXPECT_EQ(allocator.free_count(), 301u - 7);
  allocator.give_back({300, 100});
  allocator.lower_end();
  EXPECT_EQ(allocator.end(), 5u);
  EXPECT_EQ(allocator.free_count(), 0u);
  EXPECT_EQ(allocator.take(2, true), (std::vector<uint32_t>{5, 6}));
  allocator.give_back({0, 1, 2, 3, 4, 5, 6});
  allocator.lower_end();
  EXPECT_EQ(allocator.end(), 0u);
  EXPECT_EQ(allocator.take(1, false), (std::vector<uint32_t>{0}));
}

TEST(SlotAllocator, StopsWhereSlotNumbersEnd) {
  SlotAllocator allocator(live_with({static_cast<uint32_t>(kCollectionPointsMax - 2)}));
  EXPECT_EQ(allocator.take(5, false).size(), 1u);
}

}  // namespace
}  // namespace roxanne::database
