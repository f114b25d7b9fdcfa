#include "index/edge_file.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

TEST(EdgeFileTest, ReadsWhatWasWrittenInAnyOrder) {
  storage::SimulatedFileSystem files;
  {
    auto created = EdgeFile::create(files, "edges", 100, 4);
    ASSERT_TRUE(created.is_ok()) << created.status().to_string();
    EdgeFile& edges = **created;
    std::vector<uint32_t> all(400);
    std::iota(all.begin(), all.end(), 0u);
    all[7] = kNoEdge;
    const std::span lists(all);
    ASSERT_TRUE(edges.write(50, lists.subspan(200, 200)));
    ASSERT_TRUE(edges.write(10, lists.subspan(40, 160)));
    ASSERT_TRUE(edges.write(0, lists.subspan(0, 40)));
    std::vector<uint32_t> read(400);
    ASSERT_TRUE(edges.read(0, read));
    EXPECT_EQ(read, all);
    read.resize(8);
    ASSERT_TRUE(edges.read(98, read));
    EXPECT_EQ(read, std::vector<uint32_t>(all.end() - 8, all.end()));
  }
  EXPECT_TRUE(files.files().empty());
}

TEST(EdgeFileTest, AFullDiskIsToldAtOnceAndLeavesNothing) {
  storage::SimulatedFileSystem files;
  files.set_capacity_bytes(1000);
  EXPECT_EQ(EdgeFile::create(files, "edges", 1000, 32).status().code(), StatusCode::kDiskFull);
  EXPECT_TRUE(files.files().empty());
}

TEST(EdgeFileTest, NoRowsAreFine) {
  storage::SimulatedFileSystem files;
  auto edges = EdgeFile::create(files, "edges", 0, 32);
  ASSERT_TRUE(edges.is_ok());
  EXPECT_TRUE((*edges)->read(0, {}));
}

}  // namespace
}  // namespace roxanne::index
