#include "index/shard_lists.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

using List = std::vector<uint32_t>;

List merge(const std::vector<std::vector<FoundEdge>>& lists, size_t max_degree) {
  ListMerger merger;
  merger.start();
  for (const auto& list : lists) merger.add(list);
  List merged(max_degree);
  merger.finish(merged);
  return merged;
}

TEST(ListMergerTest, OneListStaysAsItIs) {
  EXPECT_EQ(merge({{{7, 1}, {5, 9}, {3, 4}}}, 5), (List{7, 5, 3, kNoEdge, kNoEdge}));
}

TEST(ListMergerTest, WhatPruningChoseStrictlyComesFirst) {
  // 3 and 8 fill their lists: they are nearer than 5, but others stand in for them.
  EXPECT_EQ(merge({{{7, 1}, {5, 9}, {3, 4}}, {{6, 2}, {8, 1}}}, 4), (List{7, 6, 5, 8}));
}

TEST(ListMergerTest, ATargetIsTakenOnce) {
  // 4 is strictly chosen in one list and fills the other.
  EXPECT_EQ(merge({{{1, 1}, {2, 5}, {4, 3}}, {{1, 1}, {4, 3}, {9, 6}}}, 6),
            (List{1, 4, 2, 9, kNoEdge, kNoEdge}));
}

TEST(ListMergerTest, NoListIsPadding) { EXPECT_EQ(merge({}, 2), (List{kNoEdge, kNoEdge})); }

TEST(ShardListsTest, EachRowGetsTheListsOfAllItsShards) {
  constexpr uint32_t kRows = 40000;  // more than buffers hold
  storage::SimulatedFileSystem files;
  {
    auto edges = EdgeFile::create(files, "edges", kRows, 8);
    ASSERT_TRUE(edges.is_ok());
    auto lists = ShardLists::create(files, "lists");
    ASSERT_TRUE(lists.is_ok());
    // Shard s of 3 has the rows that leave a remainder other than s, and gives them s + 1 edges.
    for (uint32_t shard = 0; shard < 3; ++shard) {
      ASSERT_TRUE((*lists)->begin_shard());
      for (uint32_t row = 0; row < kRows; ++row) {
        if (row % 3 == shard) continue;
        std::vector<FoundEdge> found;
        for (uint32_t i = 0; i <= shard; ++i) found.push_back({row + 10 * shard + i, float(i)});
        ASSERT_TRUE((*lists)->append(row, found));
      }
    }
    ASSERT_TRUE((*lists)->merge(**edges));
    std::vector<uint32_t> read(kRows * 8);
    ASSERT_TRUE((*edges)->read(0, read));
    for (uint32_t row = 0; row < kRows; ++row) {
      std::vector<uint32_t> got, expected;
      for (size_t i = 0; i < 8; ++i) {
        if (read[row * 8 + i] != kNoEdge) got.push_back(read[row * 8 + i] - row);
      }
      for (uint32_t shard = 0; shard < 3; ++shard) {
        for (uint32_t i = 0; i <= shard && row % 3 != shard; ++i)
          expected.push_back(10 * shard + i);
      }
      std::sort(got.begin(), got.end());
      ASSERT_EQ(got, expected) << row;
    }
  }
  EXPECT_TRUE(files.files().empty());
}

}  // namespace
}  // namespace roxanne::index
