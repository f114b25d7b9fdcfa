// A disk index on disks that fail: queries that come to no harm do not notice.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "index/test_disk_index.h"
#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

// A page of the file, damaged where its nodes are.
void flip_in_page(const std::string& path, uint64_t physical_page, uint32_t page_bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(physical_page * page_bytes + 777));
  const char byte = static_cast<char>(file.get() ^ 4);
  file.seekp(static_cast<std::streamoff>(physical_page * page_bytes + 777));
  file.put(byte);
}

struct PageFailure {
  StatusCode code;
  std::string path;
};

// How many failed; those say which page of which file, and all others are as good as ever.
size_t expect_failures_alone(const std::vector<DiskOutcome>& outcomes,
                             const std::vector<DiskOutcome>& good, const PageFailure& expected) {
  size_t failed = 0;
  for (size_t q = 0; q < outcomes.size(); ++q) {
    const Status& status = outcomes[q].status;
    if (status.is_ok()) {
      expect_same({outcomes[q]}, {good[q]});
      continue;
    }
    ++failed;
    EXPECT_EQ(status.code(), expected.code);
    EXPECT_NE(status.message().find(expected.path), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("page "), std::string::npos) << status.message();
    EXPECT_TRUE(outcomes[q].found.empty());
  }
  return failed;
}

TEST_F(DiskIndexTest, ADamagedPageFailsTheQueriesThatWantItAndNoOthers) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 4000, 32, 32));
  const TestRows queries = make_test_rows(ScalarType::kU8, 80, 32, 33);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  const SearchedDisk searched(rows, Metric::kL2, queries);
  const DiskSearchOptions options{.k = 10, .search_list_size = 20, .thread_count = 2};
  const auto good = searched.search(**built, options);
  const std::string pages = disk_paths(directory_.path()).pages;
  flip_in_page(pages, 20, (*built)->graph().layout.page_bytes);
  const auto opened = open(rows, Metric::kL2);
  ASSERT_TRUE(opened.is_ok());
  (*opened)->resize_cache(1u << 20);
  for (int round = 0; round < 2; ++round) {
    const auto outcomes = searched.search(**opened, options);
    const size_t failed = expect_failures_alone(outcomes, good, {StatusCode::kCorruption, pages});
    EXPECT_GT(failed, 0u);
    EXPECT_LT(failed, outcomes.size() / 2);
  }
  size_t problems = 0;
  (*opened)->verify({}, {}, [&](const Status& status) {
    EXPECT_NE(status.message().find(pages), std::string::npos) << status.to_string();
    return ++problems < 5;
  });
  EXPECT_GT(problems, 0u);
}

TEST_F(DiskIndexTest, AReadThatFailsFailsItsQueryAlone) {
  storage::SimulatedFileSystem file_system;
  ASSERT_TRUE(file_system.create_directory("/db").is_ok());
  const NamedRows rows(make_test_rows(ScalarType::kU8, 3000, 32, 34));
  const TestRows queries = make_test_rows(ScalarType::kU8, 30, 32, 35);
  auto built = build_disk(file_system, "/db", rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok()) << built.status().to_string();
  const SearchedDisk searched(rows, Metric::kL2, queries);
  const auto good = searched.search(**built, {.k = 10, .search_list_size = 20});
  uint64_t reads = 0;
  for (const DiskOutcome& outcome : good) reads += outcome.stats.reads;
  for (uint64_t nth = 1; nth <= reads; nth += 13) {
    file_system.inject(
        {.operation = storage::Operation::kRead, .occurrence = nth, .path_contains = ".pages"});
    const auto outcomes = searched.search(**built, {.k = 10, .search_list_size = 20});
    file_system.clear_faults();
    const size_t failed =
        expect_failures_alone(outcomes, good, {StatusCode::kIoError, "/db/graph.pages"});
    EXPECT_EQ(failed, 1u) << "read " << nth;
  }
  expect_same(searched.search(**built, {.k = 10, .search_list_size = 20}), good);
}

}  // namespace
}  // namespace roxanne::index
