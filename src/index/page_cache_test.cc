// Pages that stay in memory: never another page's bytes, and those that are wanted again.
#include "index/page_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace roxanne::index {
namespace {

constexpr uint32_t kCachePageBytes = 4096;
constexpr uint64_t kHeld = 64;  // pages; they are spread over sixteen parts by number
constexpr uint64_t kBytes = kHeld * (kCachePageBytes + 64);

std::vector<std::byte> page_of(uint32_t number, uint32_t version = 0) {
  std::vector<std::byte> page(kCachePageBytes);
  const uint32_t words[2] = {number, version};
  for (size_t i = 0; i + sizeof words <= page.size(); i += sizeof words) {
    std::memcpy(page.data() + i, words, sizeof words);
  }
  return page;
}

TEST(PageCache, GivesBackWhatItWasGiven) {
  PageCache cache(kCachePageBytes);
  cache.resize(kBytes);
  EXPECT_LE(cache.bytes(), kBytes);
  EXPECT_GE(cache.bytes(), kBytes / 2);
  std::vector<std::byte> out(kCachePageBytes);
  EXPECT_FALSE(cache.find(3, out));
  for (uint32_t page = 0; page < kHeld; ++page) cache.offer(page, page_of(page));
  for (uint32_t page = 0; page < kHeld; ++page) {
    ASSERT_TRUE(cache.find(page, out)) << page;
    ASSERT_EQ(out, page_of(page));
  }
  EXPECT_FALSE(cache.find(kHeld, out));
}

// A page that is read once, as most are, does not push out one that is wanted again and again.
TEST(PageCache, PagesReadOnceDoNotPushOutOthers) {
  PageCache cache(kCachePageBytes);
  cache.resize(kBytes);
  std::vector<std::byte> out(kCachePageBytes);
  for (uint32_t page = 0; page < kHeld; ++page) cache.offer(page, page_of(page));
  for (uint32_t page = 1000; page < 9000; ++page) cache.offer(page, page_of(page));
  size_t left = 0;
  for (uint32_t page = 0; page < kHeld; ++page) left += cache.find(page, out) ? 1 : 0;
  EXPECT_EQ(left, kHeld);
  // The second time within a while it is let in, in the place of one that is not used.
  cache.offer(5000, page_of(5000));
  cache.offer(5000, page_of(5000));
  EXPECT_TRUE(cache.find(5000, out));
  EXPECT_EQ(out, page_of(5000));
}

TEST(PageCache, ChangesFillWhatIsVacantAndPushNobodyOut) {
  constexpr auto kChange = PageCache::Reader::kChange;
  PageCache cache(kCachePageBytes);
  cache.resize(kBytes);
  std::vector<std::byte> out(kCachePageBytes);
  for (uint32_t page = 0; page < kHeld; ++page) cache.offer(page, page_of(page), kChange);
  for (int i = 0; i < 2; ++i) {
    for (uint32_t page = 1000; page < 1500; ++page) cache.offer(page, page_of(page), kChange);
  }
  for (uint32_t page = 0; page < kHeld; ++page) {
    EXPECT_TRUE(cache.find(page, out, kChange)) << page;
    EXPECT_EQ(out, page_of(page));
  }
  // What changes alone found is let go first: pages of searches come in their place.
  for (uint32_t page = 0; page < kHeld / 2; ++page) EXPECT_TRUE(cache.find(page, out));
  for (int i = 0; i < 2; ++i) {
    for (uint32_t page = 2000; page < 2000 + kHeld / 2; ++page) cache.offer(page, page_of(page));
  }
  for (uint32_t page = 0; page < kHeld / 2; ++page) EXPECT_TRUE(cache.find(page, out)) << page;
}

TEST(PageCache, UsedPagesOutlastUnusedOnes) {
  PageCache cache(kCachePageBytes);
  cache.resize(kBytes);
  std::vector<std::byte> out(kCachePageBytes);
  for (uint32_t page = 0; page < kHeld; ++page) cache.offer(page, page_of(page));
  // Half of the pages of each part are used all the time.
  const auto use = [&] {
    size_t found = 0;
    for (uint32_t page = 0; page < kHeld / 2; ++page) found += cache.find(page, out) ? 1 : 0;
    return found;
  };
  EXPECT_EQ(use(), kHeld / 2);
  for (uint32_t page = 1000; page < 1500; ++page) {
    cache.offer(page, page_of(page));
    cache.offer(page, page_of(page));
    (void)use();
  }
  EXPECT_EQ(use(), kHeld / 2);
}

// What moves takes the place that it leaves, and pushes nobody out.
TEST(PageCache, PagesThatMoveLeaveOthersThere) {
  PageCache cache(kCachePageBytes);
  cache.resize(kBytes);
  std::vector<std::byte> out(kCachePageBytes);
  for (uint32_t page = 0; page < kHeld; ++page) cache.offer(page, page_of(page));
  constexpr uint32_t kRounds = 10;
  for (uint32_t round = 0; round < kRounds; ++round) {
    for (uint32_t page = 0; page < kHeld / 2; ++page) {
      const uint32_t from = page + round * kHeld;
      cache.begin_move(from, from + kHeld, page_of(page, round));
      cache.end_move(from, from + kHeld, page_of(page, round));
    }
  }
  for (uint32_t page = 0; page < kHeld; ++page) {
    const bool has_moved = page < kHeld / 2;
    ASSERT_TRUE(cache.find(has_moved ? page + kRounds * kHeld : page, out)) << page;
    EXPECT_EQ(out, has_moved ? page_of(page, kRounds - 1) : page_of(page));
  }
}

// Until a move has ended both are here, where there is room: who asks for either need not read.
TEST(PageCache, PagesThatMoveAreInBothPlacesMeanwhile) {
  PageCache cache(kCachePageBytes);
  cache.resize(kBytes);
  std::vector<std::byte> out(kCachePageBytes);
  cache.offer(7, page_of(7));
  cache.offer(9, page_of(9));  // what was where the other goes
  cache.begin_move(7, 9, page_of(7, 1));
  ASSERT_TRUE(cache.find(7, out));
  EXPECT_EQ(out, page_of(7));
  ASSERT_TRUE(cache.find(9, out));
  EXPECT_EQ(out, page_of(7, 1));
  cache.end_move(7, 9, page_of(7, 1));
  EXPECT_FALSE(cache.find(7, out));
  ASSERT_TRUE(cache.find(9, out));
  EXPECT_EQ(out, page_of(7, 1));
}

TEST(PageCache, DroppedPagesAreForgotten) {
  PageCache cache(kCachePageBytes);
  cache.resize(kBytes);
  std::vector<std::byte> out(kCachePageBytes);
  cache.offer(7, page_of(7));
  cache.drop(7);
  cache.drop(8);
  EXPECT_FALSE(cache.find(7, out));
  cache.offer(7, page_of(7, 1));
  ASSERT_TRUE(cache.find(7, out));
  EXPECT_EQ(out, page_of(7, 1));
}

TEST(PageCache, TheSmallestHoldsAPageOfEachPart) {
  PageCache cache(kCachePageBytes);
  cache.resize(16 * (kCachePageBytes + 64));
  std::vector<std::byte> out(kCachePageBytes);
  for (uint32_t round = 0; round < 50; ++round) {
    for (int i = 0; i < 2; ++i) cache.offer(round, page_of(round));
    ASSERT_TRUE(cache.find(round, out));
    ASSERT_EQ(out, page_of(round));
  }
}

TEST(PageCache, HoldsNothingUntilItHasASize) {
  PageCache cache(kCachePageBytes);
  std::vector<std::byte> out(kCachePageBytes);
  cache.offer(7, page_of(7));
  cache.begin_move(7, 9, page_of(9));
  cache.end_move(7, 9, page_of(9));
  cache.drop(8);
  EXPECT_FALSE(cache.find(7, out));
  EXPECT_FALSE(cache.find(9, out));
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(PageCache, KeepsItsPagesWhenItGrowsAndLosesSomeWhenItShrinks) {
  PageCache cache(kCachePageBytes);
  cache.resize(kBytes);
  std::vector<std::byte> out(kCachePageBytes);
  for (uint32_t page = 0; page < kHeld; ++page) cache.offer(page, page_of(page));
  cache.drop(5);
  cache.resize(3 * kBytes);
  EXPECT_EQ(cache.bytes(), 3 * kBytes);
  for (uint32_t page = kHeld; page < 3 * kHeld; ++page) cache.offer(page, page_of(page));
  for (uint32_t page = 0; page < 3 * kHeld; ++page) {
    ASSERT_EQ(cache.find(page, out), page != 5) << page;
    if (page != 5) {
      EXPECT_EQ(out, page_of(page));
    }
  }
  cache.resize(2 * kBytes);  // what came with the last step goes
  EXPECT_EQ(cache.bytes(), 2 * kBytes);
  uint32_t left = 0;
  for (uint32_t page = 0; page < 3 * kHeld; ++page) {
    if (!cache.find(page, out)) continue;
    ASSERT_EQ(out, page_of(page));
    ++left;
  }
  EXPECT_GE(left, kHeld - 1);
  EXPECT_LE(left, 2 * kHeld);
  cache.offer(5000, page_of(5000));
  cache.offer(5000, page_of(5000));
  ASSERT_TRUE(cache.find(5000, out));
  EXPECT_EQ(out, page_of(5000));
  cache.resize(0);
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_FALSE(cache.find(5000, out));
}

TEST(PageCacheThreads, NobodySeesAnotherPagesBytes) {
  PageCache cache(kCachePageBytes);
  cache.resize(kBytes);
  std::atomic<size_t> found{0};
  std::atomic<bool> has_its_size{false};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<std::byte> out(kCachePageBytes);
      for (int left = 4000; left > 0; left -= has_its_size ? 1 : 0) {
        const auto page = static_cast<uint32_t>(random() % (2 * kHeld));
        if (random() % 64 == 0) cache.drop(page);
        if (!cache.find(page, out)) {
          cache.offer(page, page_of(page));
          continue;
        }
        ++found;
        ASSERT_EQ(std::memcmp(out.data(), page_of(page).data(), kCachePageBytes), 0) << page;
      }
    });
  }
  for (uint64_t i = 0; i < 1000; ++i) cache.resize(i % 4 * kBytes);
  found = 0;
  has_its_size = true;  // three times kBytes: all pages
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(found, 1000u);
}

}  // namespace
}  // namespace roxanne::index
