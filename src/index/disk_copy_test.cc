#include "index/disk_copy.h"

#include <gtest/gtest.h>

#include "index/test_disk_index.h"
#include "storage/test_directory.h"

namespace roxanne::index {
namespace {

TEST(DiskCopy, AnswersAsItsSource) {
  storage::FileSystem& files = storage::posix_file_system();
  storage::TestDirectory folder, copy_folder;
  const NamedRows rows(make_test_rows(ScalarType::kU8, 3000, 40, 1));
  const TestRows queries = make_test_rows(ScalarType::kU8, 40, 40, 2);
  const auto built = build_disk(files, folder.path(), rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok()) << built.status().to_string();
  storage::FileCopier copier(files, {});
  const DiskPaths to = disk_paths(copy_folder.path());
  const Status copied = copy_disk_index(**built, disk_paths(folder.path()).codes, to, copier);
  ASSERT_TRUE(copied.is_ok()) << copied.to_string();
  EXPECT_GE(copier.bytes_copied(), 3000u * 40);
  const auto opened = DiskIndex::open(files, to, rows.options(Metric::kL2));
  ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
  expect_sound(**opened, rows);
  EXPECT_EQ((*opened)->pages().last_checkpoint(), (*built)->pages().last_checkpoint());
  const SearchedDisk searched(rows, Metric::kL2, queries);
  const DiskSearchOptions options{.k = 10, .search_list_size = 40};
  expect_same(searched.search(**opened, options), searched.search(**built, options));
}

}  // namespace
}  // namespace roxanne::index
