// Rows come back by group, in the order in which they came.
#include "index/grouped_rows.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

constexpr const char* kPath = "/scratch/groups";

struct Expected {
  std::vector<std::byte> bytes;
  std::vector<uint32_t> slots;
  std::vector<uint64_t> tags;
};

class GroupedRowsTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(file_system_.create_directory("/scratch").is_ok()); }
  storage::SimulatedFileSystem file_system_;
};

TEST_F(GroupedRowsTest, ComeBackByGroupInTheirOrder) {
  for (const size_t row_bytes : {1u, 37u, 4000u, 300'000u}) {
    const size_t groups = row_bytes > 10'000 ? 3 : 17;
    const size_t rows = row_bytes > 10'000 ? 20 : 3000;
    auto grouped = GroupedRows::create(file_system_, kPath, groups, row_bytes, 1u << 20);
    ASSERT_TRUE(grouped.is_ok()) << grouped.status().to_string();
    std::vector<Expected> expected(groups);
    std::mt19937 random(static_cast<uint32_t>(row_bytes));
    std::vector<std::byte> row(row_bytes);
    for (uint32_t i = 0; i < rows; ++i) {
      for (std::byte& byte : row) byte = static_cast<std::byte>(random());
      const size_t group = random() % groups * (random() % 2);  // the first has most
      Expected& one = expected[group];
      one.bytes.insert(one.bytes.end(), row.begin(), row.end());
      one.slots.push_back(3 * i);
      one.tags.push_back(~uint64_t{i});
      ASSERT_TRUE((*grouped)->add(group, {row.data(), 3 * i, ~uint64_t{i}}).is_ok());
    }
    ASSERT_TRUE((*grouped)->finish().is_ok());
    GroupedRows::Rows out;
    for (size_t pass = 0; pass < 2; ++pass) {
      for (size_t group = 0; group < groups; ++group) {
        ASSERT_TRUE((*grouped)->read(group, out).is_ok());
        EXPECT_EQ((*grouped)->count(group), expected[group].slots.size());
        EXPECT_EQ(out.bytes, expected[group].bytes);
        EXPECT_EQ(out.slots, expected[group].slots);
        EXPECT_EQ(out.tags, expected[group].tags);
      }
    }
    EXPECT_TRUE(*file_system_.exists(kPath));
    grouped->reset();
    EXPECT_FALSE(*file_system_.exists(kPath)) << "the file goes with its object";
  }
}

TEST_F(GroupedRowsTest, AFullDiskIsToldAndLeavesNothing) {
  file_system_.set_capacity_bytes(64u << 10);
  auto grouped = GroupedRows::create(file_system_, kPath, 4, 1000, 1u << 20);
  ASSERT_TRUE(grouped.is_ok());
  const std::vector<std::byte> row(1000);
  Status status;
  for (uint32_t i = 0; i < 4000 && status.is_ok(); ++i) {
    status = (*grouped)->add(i % 4, {row.data(), i, i});
  }
  EXPECT_EQ(status.code(), StatusCode::kDiskFull) << status.to_string();
  grouped->reset();
  EXPECT_FALSE(*file_system_.exists(kPath));
}

TEST_F(GroupedRowsTest, AFileCutShortIsAnError) {
  auto grouped = GroupedRows::create(file_system_, kPath, 2, 100, 1u << 20);
  ASSERT_TRUE(grouped.is_ok());
  const std::vector<std::byte> row(100);
  for (uint32_t i = 0; i < 100; ++i) {
    ASSERT_TRUE((*grouped)->add(1, {row.data(), i, i}).is_ok());
  }
  ASSERT_TRUE((*grouped)->finish().is_ok());
  auto file = file_system_.open(kPath, storage::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->truncate(500).is_ok());
  GroupedRows::Rows out;
  const Status status = (*grouped)->read(1, out);
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_NE(status.message().find(kPath), std::string::npos) << status.message();
}

}  // namespace
}  // namespace roxanne::index
