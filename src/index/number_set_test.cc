// Sets and maps that are emptied at once, against the standard ones.
#include "index/number_set.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace roxanne::index {
namespace {

TEST(NumberMap, HoldsWhatAMapHoldsThroughGrowthAndClearing) {
  std::mt19937 random(1);
  NumberMap<float> map;
  for (int round = 0; round < 60; ++round) {
    std::map<uint32_t, float> expected;
    const size_t inserts = random() % (round % 10 == 0 ? 5000 : 200);
    // Neighbouring numbers, far ones, multiples of the table's sizes.
    const uint32_t step = round % 3 == 0 ? 1 : round % 3 == 1 ? 256 : 0x10001;
    for (size_t i = 0; i < inserts; ++i) {
      const uint32_t number = static_cast<uint32_t>(random() % 3000) * step;
      bool is_new;
      float& value = map.at(number, is_new);
      ASSERT_EQ(is_new, !expected.contains(number));
      if (is_new) {
        ASSERT_EQ(value, 0);
      }
      value += static_cast<float>(i);
      expected[number] += static_cast<float>(i);
      if (random() % 3 != 0) continue;
      const uint32_t gone = static_cast<uint32_t>(random() % 3000) * step;
      map.erase(gone);
      expected.erase(gone);
    }
    ASSERT_EQ(map.size(), expected.size());
    for (const auto& [number, value] : expected) {
      bool is_new;
      ASSERT_TRUE(map.contains(number));
      ASSERT_EQ(map.at(number, is_new), value);
      ASSERT_FALSE(is_new);
    }
    for (uint32_t i = 0; i < 500; ++i) {
      const uint32_t number = static_cast<uint32_t>(random());
      ASSERT_EQ(map.contains(number), expected.contains(number));
    }
    map.clear();
    ASSERT_EQ(map.size(), 0u);
    for (const auto& [number, value] : expected) ASSERT_FALSE(map.contains(number));
  }
}

TEST(NumberMap, TheLargestNumbersAreNumbersToo) {
  NumberMap<float> map;
  bool is_new;
  map.at(UINT32_MAX, is_new) = 1;
  map.at(0, is_new) = 2;
  EXPECT_EQ(map.at(UINT32_MAX, is_new), 1);
  EXPECT_EQ(map.at(0, is_new), 2);
  EXPECT_FALSE(map.contains(1));
}

TEST(NumberSet, TellsWhatIsNewThroughManyClears) {
  NumberSet set;
  EXPECT_FALSE(set.contains(0));
  for (uint32_t round = 0; round < 100'000; ++round) {
    ASSERT_FALSE(set.contains(round));
    ASSERT_TRUE(set.insert(round));
    ASSERT_FALSE(set.insert(round));
    ASSERT_TRUE(set.contains(round));
    if (round > 0) {
      ASSERT_FALSE(set.contains(round - 1));
    }
    set.clear();
  }
  EXPECT_LE(set.bytes(), 16u << 10) << "it does not grow where little is in it";
}

TEST(NumberSet, HoldsWhatASetHoldsThroughGrowth) {
  std::mt19937 random(1);
  NumberSet set;
  for (int round = 0; round < 60; ++round) {
    std::set<uint32_t> expected;
    const size_t inserts = random() % (round % 10 == 0 ? 5000 : 200);
    const uint32_t step = round % 3 == 0 ? 1 : round % 3 == 1 ? 256 : 0x10001;
    for (size_t i = 0; i < inserts; ++i) {
      const uint32_t number = static_cast<uint32_t>(random() % 3000) * step;
      ASSERT_EQ(set.insert(number), expected.insert(number).second);
    }
    for (const uint32_t number : expected) ASSERT_TRUE(set.contains(number));
    for (uint32_t i = 0; i < 500; ++i) {
      const uint32_t number = static_cast<uint32_t>(random() % 3000);
      ASSERT_EQ(set.contains(number), expected.contains(number));
    }
    ASSERT_EQ(set.contains(UINT32_MAX - 1), false);
    set.clear();
    for (const uint32_t number : expected) ASSERT_FALSE(set.contains(number));
  }
}

}  // namespace
}  // namespace roxanne::index
