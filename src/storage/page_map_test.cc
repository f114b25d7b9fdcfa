#include "storage/page_map.h"

#include <gtest/gtest.h>

#include <map>

#include "storage/power_cut.h"

namespace roxanne::storage {
namespace {

class PageMapTest : public testing::Test {
 protected:
  PageSnapshot first() { return PageMapEditor(PageMap(live_, 0), live_).finish(); }
  std::shared_ptr<LiveVersions> live_ = std::make_shared<LiveVersions>();
};

TEST_F(PageMapTest, HoldsNothingAtFirst) {
  const PageSnapshot map = first();
  EXPECT_EQ(map->physical_page(0), kNoPage);
  EXPECT_EQ(map->physical_page(kLogicalPagesMax - 1), kNoPage);
  EXPECT_EQ(map->logical_page_count(), 0u);
  EXPECT_EQ(map->leaf_count(), 0u);
}

TEST_F(PageMapTest, AnOlderVersionIsNotChangedByALaterOne) {
  PageMapEditor editor(*first(), live_);
  EXPECT_EQ(editor.set(5, 50), kNoPage);
  EXPECT_EQ(editor.set(2000, 51), kNoPage);
  const PageSnapshot older = editor.finish();
  PageMapEditor next(*older, live_);
  EXPECT_EQ(next.set(5, 60), 50u);
  EXPECT_EQ(next.set(2000, kNoPage), 51u);
  EXPECT_EQ(next.changed_leaves(), (std::vector<uint32_t>{0, 1}));
  const PageSnapshot newer = next.finish();
  EXPECT_EQ(older->physical_page(5), 50u);
  EXPECT_EQ(older->physical_page(2000), 51u);
  EXPECT_EQ(older->logical_page_count(), 2001u);
  EXPECT_EQ(newer->physical_page(5), 60u);
  EXPECT_EQ(newer->physical_page(2000), kNoPage);
  EXPECT_EQ(newer->logical_page_count(), 6u);
  EXPECT_EQ(newer->used_page_count(), 1u);
}

TEST_F(PageMapTest, ALeafThatDidNotChangeIsShared) {
  PageMapEditor editor(*first(), live_);
  for (uint32_t page = 0; page < 3 * kMapEntries; ++page) editor.set(page, page + 2);
  const PageSnapshot older = editor.finish();
  PageMapEditor next(*older, live_);
  next.set(kMapEntries, 7);
  const PageSnapshot newer = next.finish();
  EXPECT_EQ(older->leaf(0), newer->leaf(0));
  EXPECT_NE(older->leaf(1), newer->leaf(1));
  EXPECT_EQ(older->leaf(2), newer->leaf(2));
}

TEST_F(PageMapTest, TheOldestHeldVersionIsKnown) {
  PageSnapshot older = first();
  const uint64_t version = older->version();
  PageSnapshot newer = PageMapEditor(*older, live_).finish();
  EXPECT_EQ(live_->oldest(0), version);
  PageSnapshot held = older;
  older.reset();
  EXPECT_EQ(live_->oldest(0), version);
  held.reset();
  EXPECT_EQ(live_->oldest(0), version + 1);
  newer.reset();
  EXPECT_EQ(live_->oldest(77), 77u);
}

TEST_F(PageMapTest, TheLastPossiblePageHasAPlace) {
  PageMapEditor editor(*first(), live_);
  editor.set(kLogicalPagesMax - 1, 9);
  const PageSnapshot map = editor.finish();
  EXPECT_EQ(map->physical_page(kLogicalPagesMax - 1), 9u);
  EXPECT_EQ(map->logical_page_count(), kLogicalPagesMax);
  PageMapEditor next(*map, live_);
  next.set(kLogicalPagesMax - 1, kNoPage);
  EXPECT_EQ(next.finish()->leaf_count(), 0u);
}

TEST_F(PageMapTest, AgreesWithAModelThroughRandomChanges) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedRandom random(seed);
    std::map<uint32_t, uint32_t> model;
    PageSnapshot map = first();
    for (int round = 0; round < 60; ++round) {
      PageMapEditor editor(*map, live_);
      for (int i = 0; i < 100; ++i) {
        const auto page = static_cast<uint32_t>(random.below(300'000) >> random.below(10));
        const uint32_t place = random.below(3) == 0 ? kNoPage : 2 + page + round;
        const auto old = model.find(page);
        ASSERT_EQ(editor.set(page, place), old == model.end() ? kNoPage : old->second);
        if (place == kNoPage) {
          model.erase(page);
        } else {
          model[page] = place;
        }
      }
      map = editor.finish();
      ASSERT_EQ(map->used_page_count(), model.size());
      ASSERT_EQ(map->logical_page_count(), model.empty() ? 0 : model.rbegin()->first + 1);
    }
    std::map<uint32_t, uint32_t> found;
    map->for_each_page([&](uint32_t page, uint32_t place) { found[page] = place; });
    EXPECT_EQ(found, model);
  }
}

}  // namespace
}  // namespace roxanne::storage
