// A disk graph that is changed: against a model of what it should hold.
#include "index/disk_updater.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "index/test_changed_index.h"

namespace roxanne::index {
namespace {

class DiskUpdaterTypeTest : public testing::TestWithParam<std::pair<ScalarType, Metric>> {};

TEST_P(DiskUpdaterTypeTest, HoldsWhatWasPutInAndFindsIt) {
  const auto [type, metric] = GetParam();
  ChangedIndex changed({.type = type, .metric = metric});
  const double before = changed.recall(40);
  changed.check();
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(changed.change(200, 350).is_ok());
    changed.check();
    if (round % 2 == 1) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    }
  }
  EXPECT_GE(changed.recall(40), before - 0.02);
  const Status reopened = changed.reopen();
  ASSERT_TRUE(reopened.is_ok()) << reopened.to_string();
  changed.check();
  EXPECT_GE(changed.recall(40), before - 0.02);
  ASSERT_TRUE(changed.change(200, 200).is_ok());
  changed.check();
  EXPECT_EQ(changed.updater().stats().added, 200u);
  EXPECT_EQ(changed.updater().stats().removed, 200u);
}

INSTANTIATE_TEST_SUITE_P(All, DiskUpdaterTypeTest,
                         testing::Values(std::pair(ScalarType::kU8, Metric::kL2),
                                         std::pair(ScalarType::kF32, Metric::kL2),
                                         std::pair(ScalarType::kF16, Metric::kCosine),
                                         std::pair(ScalarType::kI8, Metric::kInnerProduct)),
                         [](const auto& one) {
                           return std::string(scalar_type_name(one.param.first)) + "_" +
                                  std::string(metric_name(one.param.second));
                         });

TEST(DiskUpdaterTest, ManySmallChangesKeepItWhole) {
  ChangedIndex changed({.rows = 3000, .first = 500, .dim = 16, .seed = 5});
  std::mt19937 random(3);
  for (int round = 0; round < 120; ++round) {
    ASSERT_TRUE(changed.change(random() % 40, random() % 60).is_ok());
    if (round % 10 == 0) changed.check();
    if (changed.updater().is_checkpoint_due() || round % 37 == 0) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    }
  }
  changed.check();
  EXPECT_GE(changed.recall(40), 0.95);
}

// A page that is full is all the cell's room there.
TEST(DiskUpdaterTest, PagesOfOneNodeTakeWhoComes) {
  ChangedIndex changed({.type = ScalarType::kF32, .rows = 400, .first = 250, .dim = 2048});
  for (int round = 0; round < 3; ++round) ASSERT_TRUE(changed.change(20, 60).is_ok());
  changed.check();
  EXPECT_GE(changed.recall(40), 0.85);
}

// Rows are long, so that few points and pages are kept in little memory.
TEST(DiskUpdaterTest, LittleMemoryKeepsItWhole) {
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    ChangedIndex changed({.type = ScalarType::kF32,
                          .metric = metric,
                          .rows = 3000,
                          .first = 1500,
                          .dim = 384,
                          .seed = 6,
                          .threads = 2});
    const double before = changed.recall(40);
    for (int round = 0; round < 4; ++round) ASSERT_TRUE(changed.change(100, 250).is_ok());
    changed.check();
    EXPECT_GE(changed.recall(40), before - 0.03);
  }
}

// Several pieces a call: the next one's pages are read while this one changes some of them.
TEST(DiskUpdaterTest, PiecesThatOverlapKeepItWhole) {
  ChangedIndex changed({.rows = 6000, .first = 500, .dim = 16, .seed = 6, .threads = 3});
  for (int round = 0; round < 12; ++round) {
    ASSERT_TRUE(changed.change(150, 500).is_ok());
    changed.check();
    if (round % 5 == 4) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    }
  }
  EXPECT_GE(changed.recall(40), 0.95);
}

// Whatever a call leaves, the next one does.
TEST(DiskUpdaterTest, CallsHandOverAfterAnyPiece) {
  for (const size_t asks : {1u, 2u, 4u}) {
    ChangedIndex changed({.rows = 2500, .first = 500, .dim = 16, .seed = 6, .asks = asks});
    ASSERT_TRUE(changed.change(0, 1200).is_ok());
    changed.check();
    ASSERT_TRUE(changed.change(500, 300).is_ok());
    changed.check();
    EXPECT_GT(changed.calls(), 3u);
    EXPECT_EQ(changed.updater().stats().added, 1500u);
    EXPECT_EQ(changed.updater().stats().removed, 500u);
    EXPECT_GE(changed.recall(40), 0.95);
    ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    ASSERT_TRUE(changed.reopen().is_ok());
    changed.check();
  }
}

TEST(DiskUpdaterTest, GrowsFromFewToManyAndSplitsItsCells) {
  // Product codes and levels.
  for (const size_t dim : {24u, 100u}) {
    ChangedIndex changed({.rows = 8000, .first = 200, .dim = dim, .seed = 7});
    const quantize::CellCode& code = changed.index().graph().code;
    EXPECT_EQ(code.shape().kind == quantize::CellCodeKind::kLevels, dim == 100);
    const size_t cells = changed.index().graph().cells.cell_count();
    const std::vector<float> codebook(code.codebook().begin(), code.codebook().end());
    while (changed.outside() > 0) ASSERT_TRUE(changed.change(0, 500).is_ok());
    changed.check();
    while (changed.updater().has_work()) ASSERT_TRUE(changed.updater().work_some().is_ok());
    changed.check();
    EXPECT_FALSE(std::ranges::equal(codebook, code.codebook()));
    EXPECT_GT(changed.index().graph().cells.cell_count(), 4 * cells);
    EXPECT_GE(changed.recall(40), 0.95) << "dim " << dim;
  }
}

// Whoever comes later takes edges, but not from those that have few.
TEST(DiskUpdaterTest, PointsStayLedToWhileOthersCome) {
  ChangedIndex changed({.rows = 6000, .first = 600, .dim = 32, .seed = 8});
  while (changed.outside() > 0) ASSERT_TRUE(changed.change(0, 600).is_ok());
  EXPECT_LE(changed.share_led_to_by_fewer_than(8), 0.005);
}

// Where a page near a new point is full it goes to another of its cell, before pages are split:
// here of those that little memory has room for few are at hand.
TEST(DiskUpdaterTest, NewPointsGoToTheRoomThatThereIs) {
  ChangedIndex changed({.rows = 8000, .first = 6000, .dim = 32, .seed = 6});
  const double before = changed.index().graph().fullness();
  for (int round = 0; round < 4; ++round) ASSERT_TRUE(changed.change(120, 120).is_ok());
  EXPECT_GE(changed.index().graph().fullness(), before - 0.05);
}

// Others who come to their slots may lie anywhere.
TEST(DiskUpdaterTest, PagesThatAreWrittenLeadToNobodyWhoIsGone) {
  ChangedIndex changed({.rows = 7000, .first = 7000});
  ASSERT_TRUE(changed.change(700, 0).is_ok());
  EXPECT_LE(changed.share_of_dead_edges(), 0.001);
}

// Most go at once: their pages are sorted anew before others come to their slots.
TEST(DiskUpdaterTest, CellsThatAreSortedAnewLeadToNobodyWhoIsGone) {
  ChangedIndex changed({.rows = 4500, .first = 3500, .dim = 16, .seed = 6});
  ASSERT_TRUE(changed.change(2500, 0).is_ok());
  changed.check();
  EXPECT_LE(changed.share_of_dead_edges(), 0.01);
  EXPECT_GE(changed.recall(40), 0.98);
  ASSERT_TRUE(changed.change(0, 1000).is_ok());
  EXPECT_GE(changed.recall(40), 0.98);
}

TEST(DiskUpdaterTest, ShrinksToNothingAndGrowsAgain) {
  ChangedIndex changed({.rows = 3000, .first = 3000, .dim = 16, .seed = 9});
  const uint64_t pages = changed.index().pages().snapshot()->used_page_count();
  while (changed.size() > 300) {
    const Status status = changed.change(300, 0);
    ASSERT_TRUE(status.is_ok()) << status.to_string() << changed.size();
    changed.check();
  }
  changed.check();
  EXPECT_LE(changed.index().pages().snapshot()->used_page_count(), pages / 4);
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  ASSERT_TRUE(changed.updater().give_idle_space_back().is_ok());
  EXPECT_LE(*changed.index().pages().bytes_on_disk(), (pages / 4 + 32) * 4096);
  changed.check();
  EXPECT_GE(changed.recall(40), 0.95);
  ASSERT_TRUE(changed.change(300, 0).is_ok());
  EXPECT_EQ(changed.size(), 0u);
  changed.check();
  ASSERT_TRUE(changed.change(0, 1000).is_ok());
  changed.check();
  EXPECT_GE(changed.recall(40), 0.9);
}

// Nine of ten points are gone, and with them the numbers of their pages.
TEST(DiskUpdaterTest, NumbersThatNoPageHasGo) {
  // Product codes and levels.
  for (const size_t dim : {16u, 100u}) {
    ChangedIndex changed({.rows = 3000, .first = 3000, .dim = dim, .seed = 9});
    EXPECT_EQ(changed.pack(), 0u);
    const DiskGraph& graph = changed.index().graph();
    const uint32_t pages = graph.shape.page_count;
    changed.remove_down_to(300);
    ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    const uint64_t codes_bytes = changed.index().codes_bytes_on_disk();
    const double recall = changed.recall(40);
    EXPECT_GT(changed.pack(), 2u);
    changed.check();
    EXPECT_EQ(graph.shape.page_count, graph.used_pages);
    EXPECT_LT(graph.shape.page_count, pages / 4);
    EXPECT_EQ(changed.index().memory().codes,
              uint64_t{graph.place_count()} * graph.code.code_bytes());
    EXPECT_EQ(changed.recall(40), recall);
    ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    EXPECT_LT(changed.index().codes_bytes_on_disk(), codes_bytes / 2);
    const Status reopened = changed.reopen();
    ASSERT_TRUE(reopened.is_ok()) << reopened.to_string();
    changed.check();
    EXPECT_EQ(changed.recall(40), recall);
    ASSERT_TRUE(changed.change(0, 2000).is_ok());
    changed.check();
    ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    ASSERT_TRUE(changed.reopen().is_ok());
    changed.check();
  }
}

// Holes cost nothing on this disk, but whoever copies the file copies them.
TEST(DiskUpdaterTest, TheFileEndsWhereThePagesDo) {
  ChangedIndex changed({.rows = 12000, .first = 12000, .dim = 16, .seed = 13});
  const DiskIndex& index = changed.index();
  changed.remove_down_to(1200);
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  ASSERT_TRUE(changed.updater().give_idle_space_back().is_ok());
  const uint32_t kept = index.graph().used_pages;
  EXPECT_GT(*index.pages().file_bytes(), 4 * kept * index.pages().page_bytes());
  EXPECT_GT(changed.pack(), 2u);
  changed.check();
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  ASSERT_TRUE(changed.updater().give_idle_space_back().is_ok());
  EXPECT_LE(*index.pages().file_bytes(), (kept + 32) * uint64_t{index.pages().page_bytes()});
  EXPECT_EQ(changed.pack(), 0u);
  ASSERT_TRUE(changed.reopen().is_ok());
  changed.check();
}

TEST(DiskUpdaterTest, ChangesMayComeBetweenPagesThatMove) {
  ChangedIndex changed({.rows = 4000, .first = 4000, .dim = 16, .seed = 10});
  changed.remove_down_to(1000);
  std::mt19937 random(5);
  for (int round = 0; round < 30; ++round) {
    for (size_t steps = random() % 4; steps > 0; --steps) {
      ASSERT_TRUE(changed.updater().pack_some().is_ok());
    }
    changed.check();
    ASSERT_TRUE(changed.change(random() % 60, random() % 50).is_ok());
    changed.check();
    if (round % 7 == 0) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    }
    if (round % 11 == 0) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
      ASSERT_TRUE(changed.reopen().is_ok());
    }
  }
  changed.pack();
  changed.check();
  EXPECT_LE(changed.index().graph().used_pages, changed.index().graph().shape.page_count);
  EXPECT_GE(4 * changed.index().graph().used_pages, 3 * changed.index().graph().shape.page_count);
}

TEST(DiskUpdaterTest, SearchesGoOnWhilePagesMove) {
  ChangedIndex changed({.rows = 6000, .first = 6000, .dim = 16, .seed = 11});
  changed.index().resize_cache(1u << 20);
  changed.remove_down_to(1000);
  base::ThreadPool pool(1);
  const std::vector<DiskOutcome> before = changed.search(pool);
  std::atomic<bool> ends{false};
  size_t found = 0, same = 0;
  std::thread searching([&] {
    while (!ends) {
      const std::vector<DiskOutcome> outcomes = changed.search(pool);
      for (size_t q = 0; q < outcomes.size(); ++q) {
        ASSERT_TRUE(outcomes[q].status.is_ok()) << outcomes[q].status.to_string();
        ASSERT_EQ(outcomes[q].found.size(), 10u);
        found += 10;
        for (size_t i = 0; i < 10; ++i) {
          same += outcomes[q].found[i].id == before[q].found[i].id ? 1 : 0;
        }
      }
    }
  });
  EXPECT_GT(changed.pack(), 2u);
  ends = true;
  searching.join();
  EXPECT_GE(static_cast<double>(same), 0.9 * static_cast<double>(found));
  changed.check();
}

// Fewer codes need room for another file: where there is none they stay as many, and what was
// changed becomes durable.
TEST(DiskUpdaterTest, OnAFullDiskNumbersStay) {
  storage::SimulatedFileSystem files;
  ChangedIndex changed({.rows = 2000, .first = 2000, .dim = 16, .seed = 12, .files = &files});
  const uint32_t pages = changed.index().graph().shape.page_count;
  changed.remove_down_to(200);
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  EXPECT_GT(changed.pack(), 0u);
  EXPECT_LT(changed.index().graph().shape.page_count, pages);
  files.inject({.operation = storage::Operation::kWrite,
                .code = StatusCode::kDiskFull,
                .path_contains = "graph.codes"});
  const Status saved = changed.updater().checkpoint(0);
  ASSERT_TRUE(saved.is_ok()) << saved.to_string();
  EXPECT_EQ(changed.index().graph().shape.page_count, pages);
  changed.check();
  EXPECT_EQ(changed.pack(), 0u);
  ASSERT_TRUE(changed.reopen().is_ok());
  changed.check();
  EXPECT_EQ(changed.index().graph().shape.page_count, pages);
  EXPECT_GT(changed.pack(), 0u);
  EXPECT_EQ(changed.index().graph().shape.page_count, changed.index().graph().used_pages);
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  ASSERT_TRUE(changed.change(50, 500).is_ok());
  changed.check();
}

}  // namespace
}  // namespace roxanne::index
