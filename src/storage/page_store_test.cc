// What a page store gives back, to whom, and what space it takes.
#include "storage/page_store.h"

#include <gtest/gtest.h>

#include "storage/test_page_store.h"

namespace roxanne::storage {
namespace {

TEST_F(PageStoreTest, PagesComeBackAfterReopening) {
  for (const uint32_t page_bytes : {4096u, 8192u, 3 * 4096u, 65536u}) {
    SCOPED_TRACE(page_bytes);
    auto store = make(page_bytes);
    const auto pages = page_range(0, 3000 * 4096 / page_bytes);
    ASSERT_TRUE(write_pages(*store, pages, 7).is_ok());
    CheckpointRecord record{42, {1, 2, 3, 4, 5, 6, 7, 8}};
    ASSERT_TRUE(store->checkpoint(record).is_ok());
    store = open();
    EXPECT_EQ(store->page_bytes(), page_bytes);
    EXPECT_EQ(store->last_checkpoint(), record);
    EXPECT_EQ(store->stats().checkpoint_number, 2u);
    expect_holds(*store, model_of(pages, 7));
    expect_undamaged(*store);
    store = open(true);
    expect_holds(*store, model_of(pages, 7));
    expect_undamaged(*store);
  }
}

TEST_F(PageStoreTest, WhatNoCheckpointCoversIsGoneAfterReopening) {
  auto store = make();
  ASSERT_TRUE(write_pages(*store, page_range(0, 50), 1).is_ok());
  ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
  ASSERT_TRUE(write_pages(*store, page_range(20, 90), 2).is_ok());
  store.reset();
  expect_holds(*open(), model_of(page_range(0, 50), 1));
}

TEST_F(PageStoreTest, ReadsOfAbsentPagesSayWhichPage) {
  auto store = make();
  ASSERT_TRUE(write_pages(*store, {3, 5000}, 1).is_ok());
  base::AlignedBuffer page(store->page_bytes());
  for (const uint32_t absent : {0u, 4u, 4999u, 5001u, 1u << 29}) {
    const Status status = store->read_page(*store->snapshot(), absent, page.span());
    EXPECT_EQ(status.code(), StatusCode::kNotFound);
    EXPECT_NE(status.message().find(std::to_string(absent)), std::string::npos);
    EXPECT_EQ(store->offset_of(*store->snapshot(), absent), 0u);
  }
}

TEST_F(PageStoreTest, AscendingBatchesGoOutInOneWriteEachAndLieInOrder) {
  auto store = make();
  constexpr uint32_t kBatch = 256;
  uint64_t writes = 0;
  for (uint32_t first = 0; first < 40 * kBatch; first += kBatch) {
    const TestPages pages(page_range(first, first + kBatch), 1);
    const uint64_t before = files_.operation_count();
    ASSERT_TRUE(store->write(pages.images()).is_ok());
    writes += files_.operation_count() - before;
    const PageSnapshot map = store->snapshot();
    EXPECT_EQ(store->offset_of(*map, first + kBatch - 1),
              store->offset_of(*map, first) + uint64_t{kBatch - 1} * 4096);
  }
  // One write each, and a few calls that make room.
  EXPECT_LE(writes, 40u + 40u);
  EXPECT_EQ(store->stats().pages_written, 40u * kBatch);
}

TEST_F(PageStoreTest, PagesThatLieApartInMemoryAreWritten) {
  auto store = make();
  const auto pages = page_range(10, 700);
  ASSERT_TRUE(store->write(TestPages(pages, 3, 4096, 64).images()).is_ok());
  expect_holds(*store, model_of(pages, 3));
}

TEST_F(PageStoreTest, ASnapshotKeepsItsPagesWhileAllAreRewritten) {
  auto store = make();
  const auto pages = page_range(0, 200);
  ASSERT_TRUE(write_pages(*store, pages, 1).is_ok());
  ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
  const PageSnapshot pinned = store->snapshot();
  for (uint64_t stamp = 2; stamp < 30; ++stamp) {
    ASSERT_TRUE(write_pages(*store, pages, stamp).is_ok());
    if (stamp % 3 == 0) {
      ASSERT_TRUE(store->checkpoint({stamp, {}}).is_ok());
    }
  }
  const auto model = read_model(*store, *pinned);
  ASSERT_TRUE(model.is_ok()) << model.status().to_string();
  EXPECT_EQ(*model, model_of(pages, 1));
}

TEST_F(PageStoreTest, AReleasedSnapshotGivesItsPlacesBack) {
  auto store = make();
  const auto pages = page_range(0, 2000);
  ASSERT_TRUE(write_pages(*store, pages, 1).is_ok());
  ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
  PageSnapshot pinned = store->snapshot();
  for (uint64_t stamp = 2; stamp < 6; ++stamp) {
    ASSERT_TRUE(write_pages(*store, pages, stamp).is_ok());
    ASSERT_TRUE(store->checkpoint({stamp, {}}).is_ok());
  }
  EXPECT_GE(store->stats().retired_pages, 2000u);
  pinned.reset();
  ASSERT_TRUE(store->checkpoint({6, {}}).is_ok());
  ASSERT_TRUE(store->checkpoint({7, {}}).is_ok());
  EXPECT_LE(store->stats().retired_pages, 10u);
  EXPECT_LE(*store->bytes_on_disk(), 2000u * 4096 * 13 / 10);
}

TEST_F(PageStoreTest, PagesRewrittenBetweenCheckpointsReuseTheirPlaces) {
  auto store = make();
  for (uint64_t stamp = 1; stamp < 100; ++stamp) {
    ASSERT_TRUE(write_pages(*store, page_range(0, 500), stamp).is_ok());
  }
  EXPECT_LE(*store->file_bytes(), 4u * 500 * 4096);
  expect_holds(*store, model_of(page_range(0, 500), 99));
}

TEST_F(PageStoreTest, NothingADurableCheckpointNamedIsReusedWhileOthersRead) {
  bool is_unread = true;
  options_.is_unread_elsewhere = [&] { return is_unread; };
  auto store = make();
  const auto pages = page_range(0, 300);
  ASSERT_TRUE(write_pages(*store, pages, 1).is_ok());
  ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
  is_unread = false;
  const auto reader = open(true);
  for (uint64_t stamp = 2; stamp < 8; ++stamp) {
    ASSERT_TRUE(write_pages(*store, pages, stamp).is_ok());
    ASSERT_TRUE(store->checkpoint({stamp, {}}).is_ok());
    expect_holds(*reader, model_of(pages, 1));
    // Opening anew must not take what the reader reads for free either.
    if (stamp % 2 == 0) store = open();
  }
  const uint64_t with_reader = store->stats().retired_pages;
  EXPECT_GE(with_reader, 1500u);
  is_unread = true;
  ASSERT_TRUE(store->checkpoint({9, {}}).is_ok());
  EXPECT_LT(store->stats().retired_pages, 10u);
  expect_holds(*store, model_of(pages, 7));
}

TEST_F(PageStoreTest, ARemovedEndGivesItsSpaceBack) {
  auto store = make();
  const auto pages = page_range(0, 10'000);
  ASSERT_TRUE(write_pages(*store, pages, 1).is_ok());
  ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
  const uint64_t full = *store->file_bytes();
  ASSERT_TRUE(store->remove(page_range(1000, 10'000)).is_ok());
  ASSERT_TRUE(store->checkpoint({2, {}}).is_ok());
  ASSERT_TRUE(store->checkpoint({3, {}}).is_ok());
  EXPECT_LE(*store->file_bytes(), full * 15 / 100);
  EXPECT_EQ(store->snapshot()->logical_page_count(), 1000u);
  expect_holds(*open(), model_of(page_range(0, 1000), 1));
}

TEST_F(PageStoreTest, ScatteredRemovedPagesGiveTheirSpaceBack) {
  auto store = make();
  ASSERT_TRUE(write_pages(*store, page_range(0, 10'000), 1).is_ok());
  ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
  const uint64_t full = *store->bytes_on_disk();
  std::vector<uint32_t> removed;
  PageModel model;
  for (uint32_t page = 0; page < 10'000; ++page) {
    if (page % 10 == 3) {
      model[page] = 1;
    } else {
      removed.push_back(page);
    }
  }
  ASSERT_TRUE(store->remove(removed).is_ok());
  ASSERT_TRUE(store->checkpoint({2, {}}).is_ok());
  ASSERT_TRUE(store->checkpoint({3, {}}).is_ok());
  EXPECT_LE(*store->bytes_on_disk(), full * 15 / 100);
  store = open();
  expect_holds(*store, model);
  ASSERT_TRUE(write_pages(*store, page_range(0, 10'000), 2).is_ok());
  ASSERT_TRUE(store->checkpoint({4, {}}).is_ok());
  expect_holds(*open(), model_of(page_range(0, 10'000), 2));
}

TEST_F(PageStoreTest, AStoreOpenForReadingWritesNothing) {
  make();
  const uint64_t before = files_.operation_count();
  auto store = open(true);
  EXPECT_EQ(write_pages(*store, {1}, 1).code(), StatusCode::kReadOnly);
  EXPECT_EQ(store->remove(std::vector<uint32_t>{1}).code(), StatusCode::kReadOnly);
  EXPECT_EQ(store->checkpoint({1, {}}).code(), StatusCode::kReadOnly);
  EXPECT_EQ(files_.operation_count(), before);
}

// Random writes, removals, checkpoints, snapshots and reopenings against a map.
TEST_F(PageStoreTest, AgreesWithAModelThroughRandomUse) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedRandom random(seed);
    auto store = make(seed % 3 == 0 ? 8192 : 4096);
    PageModel model;
    PageModel durable;
    std::vector<std::pair<PageSnapshot, PageModel>> pinned;
    for (uint64_t step = 1; step <= 150; ++step) {
      const auto pages = some_pages(3000, static_cast<uint32_t>(1 + random.below(200)), random);
      switch (random.below(8)) {
        case 0:
        case 1:
        case 2:
          ASSERT_TRUE(write_pages(*store, pages, step).is_ok());
          for (const uint32_t page : pages) model[page] = step;
          break;
        case 3:
          ASSERT_TRUE(store->remove(pages).is_ok());
          for (const uint32_t page : pages) model.erase(page);
          break;
        case 4:
        case 5:
          ASSERT_TRUE(store->checkpoint({step, {}}).is_ok());
          durable = model;
          break;
        case 6:
          if (pinned.size() > 3) pinned.erase(pinned.begin() + random.below(pinned.size()));
          pinned.emplace_back(store->snapshot(), model);
          break;
        case 7:
          if (!random.coin()) break;
          pinned.clear();
          store = open();
          model = durable;
          break;
      }
      if (step % 30 == 0) {
        expect_holds(*store, model);
        expect_undamaged(*store);
      }
    }
    for (const auto& [snapshot, expected] : pinned) {
      const auto found = read_model(*store, *snapshot);
      ASSERT_TRUE(found.is_ok()) << found.status().to_string();
      EXPECT_EQ(*found, expected);
    }
  }
}

}  // namespace
}  // namespace roxanne::storage
