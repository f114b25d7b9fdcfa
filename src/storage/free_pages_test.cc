#include "storage/free_pages.h"

#include <gtest/gtest.h>

#include <set>

#include "storage/power_cut.h"

namespace roxanne::storage {
namespace {

TEST(PageBits, RunsAndEndsAreFoundAcrossWords) {
  PageBits bits;
  bits.resize(300);
  EXPECT_EQ(bits.next_run(0, 300).count, 0u);
  EXPECT_EQ(bits.clear_end(), 300u);
  bits.set({60, 140});
  EXPECT_EQ(bits.next_run(0, 300).begin, 60u);
  EXPECT_EQ(bits.next_run(0, 300).count, 140u);
  EXPECT_EQ(bits.next_run(100, 150).begin, 100u);
  EXPECT_EQ(bits.next_run(100, 150).count, 50u);
  EXPECT_EQ(bits.next_run(200, 300).count, 0u);
  bits.set({200, 100});
  EXPECT_EQ(bits.clear_end(), 60u);
  bits.resize(200);
  EXPECT_EQ(bits.clear_end(), 60u);
  bits.resize(260);
  EXPECT_FALSE(bits.test(255));
  EXPECT_EQ(bits.clear_end(), 260u);
  bits.set({0, 260});
  EXPECT_EQ(bits.clear_end(), 0u);
}

TEST(FreePages, TakesTheLowestRunThatFits) {
  FreePages free;
  free.add_used(5000);
  free.free({100, 10});
  free.free({2100, 300});
  free.free({4000, 20});
  EXPECT_EQ(free.take_run(20).begin, 2100u);
  EXPECT_EQ(free.take_run(10).begin, 100u);
  EXPECT_EQ(free.take_run(280).begin, 2120u);
  EXPECT_EQ(free.take_run(21).count, 0u);
  EXPECT_EQ(free.free_count(), 20u);
}

TEST(FreePages, ScatteredPagesComeInLongRunsFirst) {
  FreePages free;
  free.add_used(4096);
  for (uint32_t page = 0; page < 1000; page += 2) free.free(page);
  free.free({3000, 100});
  const std::vector<PageRun> runs = free.take_scattered(102);
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].begin, 0u);
  EXPECT_EQ(runs[1].begin, 2u);
  EXPECT_EQ(runs[2].begin, 3000u);
  EXPECT_EQ(runs[2].count, 100u);
}

TEST(FreePages, PunchedPagesAreFoundOnce) {
  FreePages free;
  free.add_used(100);
  free.free({10, 5});
  free.free({50, 5});
  free.set_punched({10, 5});
  EXPECT_EQ(free.next_unpunched(0).begin, 50u);
  EXPECT_EQ(free.next_unpunched(52).count, 3u);
  free.set_reserved({12, 1});
  EXPECT_EQ(free.next_unpunched(0).begin, 12u);
  EXPECT_EQ(free.next_unpunched(0).count, 1u);
  EXPECT_TRUE(free.is_reserved(12));
  EXPECT_FALSE(free.is_reserved(13));
}

// Against a set of numbers: nothing is handed out twice, nothing is lost.
TEST(FreePages, AgreesWithASetThroughRandomUse) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedRandom random(seed);
    FreePages free;
    free.add_used(2);
    std::set<uint32_t> expected;
    std::vector<uint32_t> taken;
    const auto take = [&](PageRun run) {
      for (uint32_t page = run.begin; page < run.end(); ++page) {
        ASSERT_EQ(expected.erase(page), 1u);
        taken.push_back(page);
      }
    };
    for (int step = 0; step < 400; ++step) {
      const auto count = static_cast<uint32_t>(1 + random.below(300));
      switch (random.below(5)) {
        case 0: {
          const uint32_t old_count = free.page_count();
          free.grow(old_count + count);
          for (uint32_t page = old_count; page < free.page_count(); ++page) expected.insert(page);
          break;
        }
        case 1: {
          const PageRun run = free.take_run(count);
          if (run.count > 0) {
            ASSERT_EQ(run.count, count);
          }
          take(run);
          break;
        }
        case 2:
          if (count > free.free_count()) break;
          for (const PageRun& run : free.take_scattered(count)) take(run);
          break;
        case 3:
          for (uint32_t i = 0; i < count && !taken.empty(); ++i) {
            std::swap(taken[random.below(taken.size())], taken.back());
            free.free(taken.back());
            expected.insert(taken.back());
            taken.pop_back();
          }
          break;
        case 4: {
          const PageRun tail = free.tail();
          ASSERT_EQ(tail.end(), free.page_count());
          ASSERT_FALSE(free.is_free(tail.begin - 1));
          if (random.coin()) break;
          free.shrink(tail.begin);
          expected.erase(expected.lower_bound(tail.begin), expected.end());
          break;
        }
      }
      ASSERT_EQ(free.free_count(), expected.size());
    }
    for (uint32_t page = 0; page < free.page_count(); ++page) {
      ASSERT_EQ(free.is_free(page), expected.contains(page));
    }
  }
}

}  // namespace
}  // namespace roxanne::storage
