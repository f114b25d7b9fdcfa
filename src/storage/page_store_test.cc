#include "storage/page_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "storage/async_reader.h"
#include "storage/simulated_file_system.h"
#include "storage/test_directory.h"
#include "storage/test_pages.h"

namespace roxanne::storage {
namespace {

constexpr const char* kPath = "/pages-000001.dat";

class PageStoreTest : public testing::Test {
 protected:
  std::unique_ptr<PageStore> make(uint32_t page_bytes = base::kPageBytes) {
    options_.page_bytes = page_bytes;
    auto store = PageStore::create(files_, kPath, options_);
    EXPECT_TRUE(store.is_ok()) << store.status().to_string();
    return std::move(*store);
  }
  std::unique_ptr<PageStore> open(bool read_only = false) {
    PageStoreOptions options = options_;
    options.read_only = read_only;
    auto store = PageStore::open(files_, kPath, options);
    EXPECT_TRUE(store.is_ok()) << store.status().to_string();
    return store.is_ok() ? std::move(*store) : nullptr;
  }
  static PageModel model_of(const std::vector<uint32_t>& pages, uint64_t stamp) {
    PageModel model;
    for (const uint32_t page : pages) model[page] = stamp;
    return model;
  }

  SimulatedFileSystem files_;
  PageStoreOptions options_;
};

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

TEST_F(PageStoreTest, AFailedSyncRefusesAllLaterWritesAndLeavesReads) {
  for (const uint64_t sync : {1u, 2u}) {
    SCOPED_TRACE(sync);
    auto store = make();
    ASSERT_TRUE(write_pages(*store, page_range(0, 20), 1).is_ok());
    ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
    ASSERT_TRUE(write_pages(*store, page_range(0, 20), 2).is_ok());
    files_.inject({.operation = Operation::kSync, .occurrence = sync});
    EXPECT_EQ(store->checkpoint({2, {}}).code(), StatusCode::kIoError);
    EXPECT_EQ(write_pages(*store, {1}, 3).code(), StatusCode::kReadOnly);
    EXPECT_EQ(store->remove(std::vector<uint32_t>{1}).code(), StatusCode::kReadOnly);
    const Status refused = store->checkpoint({3, {}});
    EXPECT_EQ(refused.code(), StatusCode::kReadOnly);
    EXPECT_NE(refused.message().find("injected fault"), std::string::npos);
    expect_holds(*store, model_of(page_range(0, 20), 2));
  }
}

TEST_F(PageStoreTest, AFailedWriteShowsNothingOfItself) {
  auto store = make();
  ASSERT_TRUE(write_pages(*store, page_range(0, 20), 1).is_ok());
  files_.inject({.operation = Operation::kWrite});
  EXPECT_EQ(write_pages(*store, page_range(0, 20), 2).code(), StatusCode::kIoError);
  EXPECT_EQ(write_pages(*store, {1}, 3).code(), StatusCode::kReadOnly);
  expect_holds(*store, model_of(page_range(0, 20), 1));
}

TEST_F(PageStoreTest, AFullDiskLeavesTheStoreAsItWasAndUsable) {
  auto store = make();
  ASSERT_TRUE(write_pages(*store, page_range(0, 100), 1).is_ok());
  ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
  files_.set_capacity_bytes(*store->bytes_on_disk() + 60 * 4096);
  PageModel model = model_of(page_range(0, 100), 1);
  EXPECT_EQ(write_pages(*store, page_range(50, 400), 2).code(), StatusCode::kDiskFull);
  expect_holds(*store, model);
  ASSERT_TRUE(write_pages(*store, page_range(0, 40), 3).is_ok());
  for (const uint32_t page : page_range(0, 40)) model[page] = 3;
  ASSERT_TRUE(store->checkpoint({2, {}}).is_ok());
  // Old copies are free now: the same again fits.
  for (uint64_t stamp = 4; stamp < 20; ++stamp) {
    ASSERT_TRUE(write_pages(*store, page_range(0, 40), stamp).is_ok());
    ASSERT_TRUE(store->checkpoint({stamp, {}}).is_ok());
  }
  for (const uint32_t page : page_range(0, 40)) model[page] = 19;
  expect_holds(*store, model);
  expect_undamaged(*store);
  expect_holds(*open(), model);
}

TEST_F(PageStoreTest, PagesCanBeRemovedFromAFullDisk) {
  auto store = make();
  uint32_t page = 0;
  files_.set_capacity_bytes(8u << 20);
  while (write_pages(*store, page_range(page, page + 16), 1).is_ok()) page += 16;
  EXPECT_GT(page, 1500u);
  ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
  while (write_pages(*store, {page}, 1).is_ok()) ++page;
  ASSERT_TRUE(store->remove(page_range(0, page / 2)).is_ok());
  ASSERT_TRUE(store->checkpoint({2, {}}).is_ok());
  ASSERT_TRUE(write_pages(*store, page_range(0, 500), 2).is_ok());
  ASSERT_TRUE(store->checkpoint({3, {}}).is_ok());
  expect_undamaged(*store);
}

// Any byte: an error that names the file, or right bytes.
TEST_F(PageStoreTest, AFlippedByteGivesANamedErrorOrTheRightBytes) {
  PageModel model;
  {
    auto store = make();
    for (uint64_t stamp = 1; stamp < 5; ++stamp) {
      std::vector<uint32_t> pages;
      for (uint32_t i = 0; i < 20; ++i) pages.push_back(i * 100 * static_cast<uint32_t>(stamp));
      ASSERT_TRUE(write_pages(*store, pages, stamp).is_ok());
      for (const uint32_t page : pages) model[page] = stamp;
      ASSERT_TRUE(store->checkpoint({stamp, {}}).is_ok());
    }
  }
  SimulatedRandom random(11);
  const uint64_t size = *files_.file_size(kPath);
  // Every byte of what the headers hold; of the rest, a few a page.
  std::vector<uint64_t> offsets;
  for (uint64_t at = 0; at < 112; ++at) offsets.insert(offsets.end(), {at, at + kHeaderCopyBytes});
  for (uint64_t page = 0; page < size / 4096; ++page) {
    for (int i = 0; i < 3; ++i) offsets.push_back(page * 4096 + random.below(4096));
    for (int i = 0; i < 3; ++i) offsets.push_back(page * 4096 + random.below(40));
  }
  uint64_t errors = 0;
  for (const uint64_t offset : offsets) {
    SCOPED_TRACE("offset " + std::to_string(offset));
    const auto mask = std::byte(1 << random.below(8));
    ASSERT_TRUE(files_.flip_byte(kPath, offset, mask).is_ok());
    auto store = PageStore::open(files_, kPath, {.read_only = true});
    if (!store.is_ok()) {
      ++errors;
      EXPECT_EQ(store.status().code(), StatusCode::kCorruption);
      EXPECT_NE(store.status().message().find(kPath), std::string::npos);
    } else {
      EXPECT_EQ((*store)->snapshot()->used_page_count(), model.size());
      uint64_t damaged_pages = 0;
      for (const auto& [page, stamp] : model) {
        const auto read = read_stamp(**store, *(*store)->snapshot(), page);
        if (read.is_ok()) {
          EXPECT_EQ(*read, stamp);
          continue;
        }
        ++damaged_pages;
        EXPECT_EQ(read.status().code(), StatusCode::kCorruption) << read.status().to_string();
        EXPECT_NE(read.status().message().find(kPath), std::string::npos);
        EXPECT_NE(read.status().message().find("page " + std::to_string(page)), std::string::npos);
      }
      EXPECT_EQ((*store)->check([](const Status&) {}), damaged_pages);
      errors += damaged_pages;
    }
    ASSERT_TRUE(files_.flip_byte(kPath, offset, mask).is_ok());
  }
  EXPECT_GT(errors, model.size());
}

TEST_F(PageStoreTest, AFileCutAtAnyPageGivesANamedErrorOrTheRightBytes) {
  PageModel model;
  {
    auto store = make();
    for (uint64_t stamp = 1; stamp < 4; ++stamp) {
      ASSERT_TRUE(write_pages(*store, page_range(0, 60), stamp).is_ok());
      ASSERT_TRUE(store->checkpoint({stamp, {}}).is_ok());
    }
    model = model_of(page_range(0, 60), 3);
  }
  const uint64_t pages = *files_.file_size(kPath) / 4096;
  for (uint64_t page = 0; page < pages; ++page) {
    for (const uint64_t extra : {0u, 100u}) {
      const auto copy = files_.clone();
      auto file = copy->open(kPath, OpenMode::kReadWrite);
      ASSERT_TRUE((*file)->truncate(page * 4096 + extra).is_ok());
      auto store = PageStore::open(*copy, kPath, {.read_only = true});
      if (store.is_ok()) {
        expect_holds(**store, model);
        continue;
      }
      EXPECT_EQ(store.status().code(), StatusCode::kCorruption);
      EXPECT_NE(store.status().message().find(kPath), std::string::npos);
      EXPECT_LT(page, pages);
    }
  }
  ASSERT_TRUE(files_.remove(kPath).is_ok());
  EXPECT_EQ(PageStore::open(files_, kPath, {}).status().code(), StatusCode::kCorruption);
}

TEST_F(PageStoreTest, BothHeadersDamagedIsAnErrorThatNamesTheFile) {
  make();
  ASSERT_TRUE(files_.flip_byte(kPath, 20, std::byte{1}).is_ok());
  ASSERT_TRUE(files_.flip_byte(kPath, kHeaderCopyBytes + 20, std::byte{1}).is_ok());
  const Status status = PageStore::open(files_, kPath, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_NE(status.message().find(kPath), std::string::npos);
}

TEST_F(PageStoreTest, OpeningForWritingMendsADamagedHeader) {
  {
    auto store = make();
    ASSERT_TRUE(write_pages(*store, page_range(0, 5), 1).is_ok());
    ASSERT_TRUE(store->checkpoint({1, {}}).is_ok());
  }
  for (const uint64_t copy : {uint64_t{0}, uint64_t{kHeaderCopyBytes}}) {
    ASSERT_TRUE(files_.flip_byte(kPath, copy + 20, std::byte{1}).is_ok());
    expect_holds(*open(), model_of(page_range(0, 5), 1));
  }
  expect_holds(*open(true), model_of(page_range(0, 5), 1));
}

TEST_F(PageStoreTest, APageInAnothersPlaceIsFoundOut) {
  auto store = make();
  ASSERT_TRUE(write_pages(*store, {1, 2}, 1).is_ok());
  base::AlignedBuffer page(4096);
  ASSERT_TRUE(store->read_page(*store->snapshot(), 2, page.span()).is_ok());
  const Status status = store->check_page(1, page.span());
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_EQ(status.message(), std::string(kPath) + ": page 1: its place holds page 2");
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

// Threads read snapshots while one rewrites, removes and checkpoints: each sees one stamp a round.
TEST(PageStoreThreads, EachSnapshotIsOfOneMoment) {
  const TestDirectory directory;
  const std::string path = directory.path("pages-000001.dat");
  auto store = PageStore::create(posix_file_system(), path, {});
  ASSERT_TRUE(store.is_ok()) << store.status().to_string();
  const auto pages = page_range(0, 300);
  ASSERT_TRUE(write_pages(**store, pages, 1).is_ok());
  std::atomic<bool> done{false};
  std::atomic<uint64_t> reads{0};
  std::vector<std::thread> readers;
  for (uint64_t t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      SimulatedRandom random(t + 1);
      while (!done) {
        const PageSnapshot snapshot = (*store)->snapshot();
        uint64_t first_stamp = 0;
        for (int i = 0; i < 40; ++i) {
          const auto page = static_cast<uint32_t>(random.below(pages.size()));
          const auto stamp = read_stamp(**store, *snapshot, page);
          ASSERT_TRUE(stamp.is_ok()) << stamp.status().to_string();
          if (first_stamp == 0) first_stamp = *stamp;
          ASSERT_EQ(*stamp, first_stamp);
          ++reads;
        }
      }
    });
  }
  for (uint64_t stamp = 2; stamp < 200; ++stamp) {
    ASSERT_TRUE(write_pages(**store, pages, stamp).is_ok());
    ASSERT_TRUE(write_pages(**store, {1000 + static_cast<uint32_t>(stamp)}, stamp).is_ok());
    ASSERT_TRUE(
        (*store)->remove(std::vector<uint32_t>{999 + static_cast<uint32_t>(stamp)}).is_ok());
    if (stamp % 4 == 0) {
      ASSERT_TRUE((*store)->checkpoint({stamp, {}}).is_ok());
    }
    if (stamp % 50 == 0) expect_undamaged(**store);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(reads, 0u);
  EXPECT_LT((*store)->stats().file_pages, 300u * 20);
}

TEST(PageStoreThreads, PagesAreReadThroughAnAsyncReader) {
  const TestDirectory directory;
  const std::string path = directory.path("pages-000001.dat");
  auto store = PageStore::create(posix_file_system(), path, {});
  ASSERT_TRUE(store.is_ok());
  const auto pages = page_range(0, 64);
  ASSERT_TRUE(write_pages(**store, pages, 9).is_ok());
  const auto reader = make_async_reader({.depth = 64});
  const PageSnapshot snapshot = (*store)->snapshot();
  base::AlignedBuffer buffer(64 * 4096);
  for (const uint32_t page : pages) {
    ASSERT_TRUE(reader
                    ->submit((*store)->direct_file(), (*store)->offset_of(*snapshot, page),
                             buffer.span().subspan(page * 4096u, 4096), page)
                    .is_ok());
  }
  while (reader->in_flight() > 0) {
    const auto completion = reader->wait();
    ASSERT_TRUE(completion.is_ok());
    const auto page = static_cast<uint32_t>(completion->tag);
    EXPECT_EQ(completion->bytes_read, 4096u);
    EXPECT_TRUE((*store)->check_page(page, buffer.span().subspan(page * 4096u, 4096)).is_ok());
  }
}

}  // namespace
}  // namespace roxanne::storage
