#include "index/disk_copy.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/status_macros.h"
#include "index/disk_updater.h"
#include "index/test_disk_index.h"
#include "storage/test_directory.h"

namespace roxanne::index {
namespace {

constexpr size_t kCopiedRows = 3000;
constexpr size_t kLeft = 2000;  // when half is copied

class DiskCopyTest : public testing::Test {
 protected:
  DiskCopyTest() {
    EXPECT_TRUE(build_disk(files_, folder_.path(), rows_, Metric::kL2).is_ok());
    auto opened =
        DiskIndex::open(files_, from_, rows_.options(Metric::kL2),
                        {.read_only = false, .is_unread_elsewhere = [this] { return !is_read_; }});
    EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
    index_ = *std::move(opened);
    updater_ = std::make_unique<DiskUpdater>(*index_, pool_, DiskUpdateOptions{});
  }
  // Takes out some rows, by number.
  void remove(size_t first, size_t count) {
    const std::span slots(rows_.slots.data() + first, count);
    const Status applied = updater_->apply({{}, slots});
    ASSERT_TRUE(applied.is_ok()) << applied.to_string();
    const Status durable = updater_->checkpoint(first);
    ASSERT_TRUE(durable.is_ok()) << durable.to_string();
  }
  Status copy(const DiskCheckpoint& checkpoint) {
    ROX_RETURN_IF_ERROR(checkpoint.copy_pages(to_, copier_));
    return checkpoint.copy_codes(to_, copier_);
  }

  storage::FileSystem& files_ = storage::posix_file_system();
  storage::TestDirectory folder_, copy_folder_;
  const DiskPaths from_ = disk_paths(folder_.path());
  const DiskPaths to_ = disk_paths(copy_folder_.path());
  const NamedRows rows_{make_test_rows(ScalarType::kU8, kCopiedRows, 40, 1)};
  storage::FileCopier copier_{files_, {}};
  base::ThreadPool pool_{0};
  std::atomic<bool> is_read_{false};
  std::unique_ptr<DiskIndex> index_;
  std::unique_ptr<DiskUpdater> updater_;
};

TEST_F(DiskCopyTest, AnswersAsItsSource) {
  remove(kLeft, kCopiedRows - kLeft);
  const auto checkpoint = DiskCheckpoint::open(files_, from_);
  ASSERT_TRUE(checkpoint.is_ok()) << checkpoint.status().to_string();
  const Status copied = copy(**checkpoint);
  ASSERT_TRUE(copied.is_ok()) << copied.to_string();
  EXPECT_GE(copier_.bytes_copied(), kLeft * 40);
  EXPECT_LE(copier_.bytes_copied(), (*checkpoint)->bytes());
  const auto opened = DiskIndex::open(files_, to_, rows_.options(Metric::kL2));
  ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
  EXPECT_EQ((*opened)->pages().last_checkpoint(), index_->pages().last_checkpoint());
  EXPECT_EQ(slots_of((*opened)->slots()), slots_of(index_->slots()));
  const TestRows queries = make_test_rows(ScalarType::kU8, 40, 40, 2);
  const SearchedDisk searched(rows_, Metric::kL2, queries);
  const DiskSearchOptions options{.k = 10, .search_list_size = 40};
  const auto source = DiskIndex::open(files_, from_, rows_.options(Metric::kL2));
  ASSERT_TRUE(source.is_ok()) << source.status().to_string();
  expect_same(searched.search(**opened, options), searched.search(**source, options));
}

// The graph goes on to be changed, its codes are written anew, and its pages again.
TEST_F(DiskCopyTest, HoldsACheckpointThatIsLongPast) {
  remove(kLeft, kCopiedRows - kLeft);
  const std::vector<uint32_t> slots = slots_of(index_->slots());
  is_read_ = true;
  const auto checkpoint = DiskCheckpoint::open(files_, from_);
  ASSERT_TRUE(checkpoint.is_ok()) << checkpoint.status().to_string();
  for (size_t first = 0; first < kLeft / 2; first += 100) {
    if (first % 300 == 0) index_->codes_keeper()->note_all();
    remove(first, 100);
  }
  const Status copied = copy(**checkpoint);
  ASSERT_TRUE(copied.is_ok()) << copied.to_string();
  const auto opened = DiskIndex::open(files_, to_, rows_.options(Metric::kL2));
  ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
  EXPECT_EQ(slots_of((*opened)->slots()), slots);
  (*opened)->verify(
      [&](uint32_t slot) { return rows_.rows.view().row(NamedRows::row_of_slot(slot)); },
      [&](uint32_t slot) { return ~uint64_t{slot}; },
      [](const Status& status) {
        ADD_FAILURE() << status.to_string();
        return false;
      });
}

}  // namespace
}  // namespace roxanne::index
