#include "index/waiting_links.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

namespace roxanne::index {
namespace {

constexpr uint64_t kLinkBytes = 1u << 20;

TEST(WaitingLinks, AreTakenOnce) {
  WaitingLinks links(kLinkBytes);
  links.add(7, {1, 0.5f});
  links.add(7, {2, 1.5f});
  links.add(8, {1, 2.5f});
  EXPECT_EQ(links.count(), 3u);
  const auto taken = links.take(7);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].to + taken[1].to, 3u);
  EXPECT_EQ(taken[0].distance + taken[1].distance, 2.0f);
  EXPECT_TRUE(links.take(7).empty());
  EXPECT_EQ(links.count(), 1u);
}

// Another point may come to a slot that is gone.
TEST(WaitingLinks, NeitherLeadFromNorToWhatIsGone) {
  WaitingLinks links(kLinkBytes);
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
  WaitingLinks links(4096);
  for (uint32_t from = 0; from < 1000; ++from) links.add(from, {from + 1, 1});
  EXPECT_TRUE(links.is_full());
  EXPECT_GT(links.count(), 100u);
  EXPECT_LE(links.count() * sizeof(WaitingLinks::Link), 4096u);
  EXPECT_EQ(links.take(0).size(), 1u);
  EXPECT_FALSE(links.is_full());
  links.add(2000, {1, 1});
  EXPECT_EQ(links.take(2000).size(), 1u);
}

// Against the plain way to do it.
TEST(WaitingLinks, AreThoseThatCameAndWereNotTaken) {
  WaitingLinks links(20'000);
  std::multimap<uint32_t, uint32_t> expected;
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    const uint32_t from = random() % 300, to = random() % 300;
    if (random() % 4 != 0) {
      if (!links.is_full()) expected.insert({from, to});
      links.add(from, {to, static_cast<float>(to)});
    } else if (random() % 50 != 0) {
      std::multiset<uint32_t> taken, wanted;
      for (const auto& link : links.take(from)) {
        taken.insert(link.to);
        EXPECT_EQ(link.distance, static_cast<float>(link.to));
      }
      const auto [begin, end] = expected.equal_range(from);
      for (auto at = begin; at != end; ++at) wanted.insert(at->second);
      expected.erase(begin, end);
      ASSERT_EQ(taken, wanted);
    } else {
      links.forget(std::vector<uint32_t>{to, from});
      std::erase_if(expected, [&](const auto& link) {
        return link.first == from || link.first == to || link.second == from || link.second == to;
      });
    }
    ASSERT_EQ(links.count(), expected.size());
  }
}

}  // namespace
}  // namespace roxanne::index
