#include "index/waiting_links.h"

#include <gtest/gtest.h>

namespace roxanne::index {
namespace {

constexpr uint64_t kBytes = 1u << 20;

TEST(WaitingLinks, AreTakenOnce) {
  WaitingLinks links(kBytes);
  links.add(7, {1, 0.5f});
  links.add(7, {2, 1.5f});
  links.add(8, {1, 2.5f});
  EXPECT_EQ(links.count(), 3u);
  const auto taken = links.take(7);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].to, 1u);
  EXPECT_EQ(taken[1].to, 2u);
  EXPECT_EQ(taken[1].distance, 1.5f);
  EXPECT_TRUE(links.take(7).empty());
  EXPECT_EQ(links.count(), 1u);
}

// Another point may come to a slot that is gone.
TEST(WaitingLinks, NeitherLeadFromNorToWhatIsGone) {
  WaitingLinks links(kBytes);
  for (uint32_t from = 0; from < 10; ++from) {
    for (uint32_t to = 0; to < 10; ++to) links.add(from, {to, 1});
  }
  links.forget(std::vector<uint32_t>{9, 3, 40});
  EXPECT_EQ(links.count(), 64u);
  EXPECT_TRUE(links.take(3).empty());
  for (const auto& link : links.take(4)) EXPECT_TRUE(link.to != 3 && link.to != 9) << link.to;
  links.forget(std::vector<uint32_t>{0, 1, 2, 4, 5, 6, 7, 8});
  EXPECT_EQ(links.count(), 0u);
}

TEST(WaitingLinks, StayWithinTheirMemory) {
  constexpr uint64_t kFew = 4096;
  WaitingLinks links(kFew);
  for (uint32_t from = 0; from < 1000; ++from) links.add(from, {from + 1, 1});
  EXPECT_GT(links.count(), 10u);
  EXPECT_LT(links.count() * sizeof(WaitingLinks::Link), kFew);
  (void)links.take(0);
  links.add(2000, {1, 1});
  EXPECT_EQ(links.take(2000).size(), 1u);
}

}  // namespace
}  // namespace roxanne::index
