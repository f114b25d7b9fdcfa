#include "database/slot_keeper.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace roxanne::database {
namespace {

using Slots = std::vector<uint32_t>;

index::LiveSet set_of(Slots slots) {
  std::sort(slots.begin(), slots.end());
  return index::set_of_slots(slots);
}

// What would be written next, were so many slots wanted: free ones first, then new ones.
Slots next_slots(SlotKeeper& keeper, size_t count) {
  const Slots slots = keeper.take(count, true);
  keeper.give_back(slots);
  return slots;
}

// Keeps D5.
TEST(SlotKeeper, FreedSlotsWaitForReadersAndForTheSync) {
  SlotKeeper keeper(set_of({0, 1, 2}), {}, 3);
  auto reader = std::make_shared<int>(1);
  keeper.free(reader, 1, {1});
  keeper.release(5);
  EXPECT_FALSE(keeper.has_free()) << "somebody reads it";
  reader.reset();
  keeper.release(0);
  EXPECT_FALSE(keeper.has_free()) << "a power cut could bring it back";
  keeper.release(1);
  EXPECT_EQ(next_slots(keeper, 2), (Slots{1, 3}));
}

TEST(SlotKeeper, LaterVersionsWaitForEarlierOnes) {
  SlotKeeper keeper(set_of({0, 1}), {}, 2);
  auto reader = std::make_shared<int>(1);
  keeper.free(reader, 1, {});
  keeper.free(std::make_shared<int>(2), 2, {1});
  keeper.release(2);
  EXPECT_FALSE(keeper.has_free());
  reader.reset();
  keeper.release(2);
  EXPECT_TRUE(keeper.has_free());
}

// Keeps D8.
TEST(SlotKeeper, SlotsThatTheStoreNamesRestUntilItNamesOthers) {
  SlotKeeper keeper(set_of({0, 1, 2, 3}), set_of({0, 1, 2, 3, 4}), 6);
  EXPECT_EQ(next_slots(keeper, 2), (Slots{5, 6})) << "4 is not live, but named";
  EXPECT_EQ(keeper.dead_count(), 1u);
  keeper.free({}, 1, {2});
  keeper.release(1);
  EXPECT_EQ(keeper.dead_count(), 2u);
  EXPECT_EQ(next_slots(keeper, 1), (Slots{5}));
  keeper.set_named(set_of({0, 1, 4}));
  EXPECT_EQ(keeper.dead_count(), 1u);
  EXPECT_EQ(next_slots(keeper, 2), (Slots{2, 5}));
  keeper.set_named({});
  EXPECT_EQ(keeper.dead_count(), 0u);
  EXPECT_EQ(next_slots(keeper, 3), (Slots{2, 4, 5}));
}

// Keeps D8: what was taken out is named again after a crash.
TEST(SlotKeeper, SlotsTakenOutOfAGraphRestUntilThatIsDurable) {
  SlotKeeper keeper(set_of({0, 1, 2, 3}), set_of({0, 1, 2, 3}), 4);
  keeper.free({}, 1, {1, 2});
  keeper.release(1);
  Slots dead = keeper.take_dead(10);
  std::sort(dead.begin(), dead.end());
  EXPECT_EQ(dead, (Slots{1, 2}));
  EXPECT_EQ(keeper.dead_count(), 0u);
  // One of them could not be taken out.
  keeper.note_changed(set_of({0, 2, 3, 7}), Slots{7}, dead);
  EXPECT_EQ(keeper.dead_count(), 1u);
  EXPECT_EQ(keeper.vacated_count(), 1u);
  EXPECT_EQ(next_slots(keeper, 1), (Slots{4}));
  // What was put in rests as well, once it is freed.
  keeper.free({}, 2, {7});
  keeper.release(2);
  EXPECT_EQ(keeper.dead_count(), 2u);
  keeper.note_durable();
  EXPECT_EQ(keeper.vacated_count(), 0u);
  EXPECT_EQ(next_slots(keeper, 2), (Slots{1, 4}));
  // And from then on it is a slot like any other.
  EXPECT_EQ(keeper.take(1, true), (Slots{1}));
  keeper.free({}, 3, {1});
  keeper.release(3);
  EXPECT_EQ(next_slots(keeper, 1), (Slots{1}));
}

TEST(SlotKeeper, TakesOutSomeAtATime) {
  Slots all(5000);
  for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  SlotKeeper keeper({}, set_of(all), 5000);
  EXPECT_EQ(keeper.dead_count(), 5000u);
  const Slots some = keeper.take_dead(1200);
  EXPECT_EQ(some.size(), 1200u);
  EXPECT_EQ(keeper.dead_count(), 3800u);
  keeper.note_changed(set_of(all), {}, some);  // none could be taken out
  EXPECT_EQ(keeper.dead_count(), 5000u);
  const Slots rest = keeper.take_dead(10000);
  keeper.note_changed({}, {}, rest);
  EXPECT_EQ(keeper.vacated_count(), 5000u);
  keeper.set_named({});
  EXPECT_EQ(keeper.vacated_count(), 0u);
  EXPECT_EQ(keeper.take(5000, true), all);
}

TEST(SlotKeeper, AfterARepairOnlyNewSlotsAreWritten) {
  SlotKeeper keeper(set_of({0, 1, 2}), set_of({0, 1}), 8);
  keeper.free({}, 1, {2});
  keeper.start_anew(set_of({0}), 8);
  keeper.release(1);
  EXPECT_FALSE(keeper.has_free());
  EXPECT_EQ(next_slots(keeper, 1), (Slots{8}));
}

TEST(SlotBits, GivesTheHighestFirstAndEachOnce) {
  SlotBits bits;
  for (const uint32_t slot : {5u, 200u, 63u, 64u, 5u, 1'000'000u}) bits.add(slot);
  EXPECT_EQ(bits.count(), 5u);
  EXPECT_EQ(bits.take(2), (Slots{200, 1'000'000}));
  bits.add(201);
  EXPECT_EQ(bits.take(0), Slots{});
  EXPECT_EQ(bits.take(2), (Slots{64, 201}));
  EXPECT_EQ(bits.take_all(), (Slots{5, 63}));
  EXPECT_EQ(bits.count(), 0u);
  EXPECT_EQ(bits.take(3), Slots{});
  bits.add(7);
  bits.clear();
  EXPECT_EQ(bits.take_all(), Slots{});
}

}  // namespace
}  // namespace roxanne::database
