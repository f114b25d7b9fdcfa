#include "storage/page_copy.h"

#include <gtest/gtest.h>

#include "storage/simulated_file_system.h"
#include "storage/test_pages.h"

namespace roxanne::storage {
namespace {

constexpr const char* kPath = "/pages.dat";
constexpr const char* kCopyPath = "/copy.dat";
const CheckpointRecord kRecord{7, {1, 2, 3}};

class PageCopyTest : public testing::Test {
 protected:
  PageCopyTest() : store_(*PageStore::create(files_, kPath, {.page_bytes = 8192})) {}

  void expect_copy(const PageModel& expected, const CheckpointRecord& record) {
    auto copy = PageStore::open(files_, kCopyPath, {.read_only = true});
    ASSERT_TRUE(copy.is_ok()) << copy.status().to_string();
    expect_holds(**copy, expected);
    expect_undamaged(**copy);
    EXPECT_EQ((*copy)->last_checkpoint(), record);
  }

  SimulatedFileSystem files_;
  std::unique_ptr<PageStore> store_;
  FileCopier copier_{files_, {}};
};

// Pages that were written again and again, with gaps, while a snapshot is held and others go on.
TEST_F(PageCopyTest, HoldsWhatTheSnapshotHolds) {
  SimulatedRandom random(3);
  PageModel model;
  for (uint64_t stamp = 1; stamp <= 12; ++stamp) {
    const auto pages = some_pages(5000, 7, random);
    ASSERT_TRUE(write_pages(*store_, pages, stamp).is_ok());
    for (const uint32_t page : pages) model[page] = stamp;
    const auto removed = some_pages(5000, 40, random);
    ASSERT_TRUE(store_->remove(removed).is_ok());
    for (const uint32_t page : removed) model.erase(page);
    if (stamp % 5 == 0) {
      ASSERT_TRUE(store_->checkpoint({stamp, {}}).is_ok());
    }
  }
  const PageSnapshot snapshot = store_->snapshot();
  for (uint64_t stamp = 100; stamp <= 104; ++stamp) {
    ASSERT_TRUE(write_pages(*store_, some_pages(6000, 3, random), stamp).is_ok());
    ASSERT_TRUE(store_->checkpoint({stamp, {}}).is_ok());
  }
  const Status copied = copy_pages(*store_, *snapshot, kRecord, kCopyPath, copier_);
  ASSERT_TRUE(copied.is_ok()) << copied.to_string();
  EXPECT_EQ(copier_.bytes_copied(), model.size() * 8192);
  expect_copy(model, kRecord);
}

TEST_F(PageCopyTest, OfNothingIsNothing) {
  ASSERT_TRUE(copy_pages(*store_, *store_->snapshot(), kRecord, kCopyPath, copier_).is_ok());
  expect_copy({}, kRecord);
}

TEST_F(PageCopyTest, DamageIsNotCopied) {
  ASSERT_TRUE(write_pages(*store_, page_range(0, 600), 1).is_ok());
  ASSERT_TRUE(store_->checkpoint({1, {}}).is_ok());
  const PageSnapshot snapshot = store_->snapshot();
  const uint64_t offset = store_->offset_of(*snapshot, 417);
  ASSERT_TRUE(files_.flip_byte(kPath, offset + 5000, std::byte{4}).is_ok());
  const Status copied = copy_pages(*store_, *snapshot, kRecord, kCopyPath, copier_);
  EXPECT_EQ(copied.code(), StatusCode::kCorruption);
  EXPECT_NE(copied.message().find("417"), std::string::npos) << copied.message();
}

}  // namespace
}  // namespace roxanne::storage
