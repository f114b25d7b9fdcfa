// A page store on disks that fail, are full or changed its bytes.
#include <gtest/gtest.h>

#include "storage/test_page_store.h"

namespace roxanne::storage {
namespace {

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

}  // namespace
}  // namespace roxanne::storage
