// Logs of codes: blocks with right checksums and wrong numbers are refused.
#include "index/codes_log.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "base/status_macros.h"
#include "index/test_changing_graph.h"
#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

constexpr const char* kCodesPath = "/graph.codes";
constexpr const char* kLogPath = "/graph.codes.log";

class CodesLogTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto written = write_disk_codes(files_, kCodesPath, graph(), 0);
    ASSERT_TRUE(written.is_ok());
    codes_checksum_ = written->checksum;
    vacant_.assign(graph().layout.nodes, kNoNode);
  }
  DiskGraph& graph() { return changing_.graph(); }

  // What becomes of a log that `add` writes, on top of the graph as it was at first.
  template <typename Add>
  Result<std::unique_ptr<DiskGraph>> replay(Add add) {
    const auto file = *files_.open(kLogPath, storage::OpenMode::kCreate);
    CodesLogWriter writer(*file, graph(), 0, {0, 0, codes_checksum_});
    add(writer);
    EXPECT_TRUE(writer.finish().is_ok());
    ROX_ASSIGN_OR_RETURN(DiskCodes codes, load_disk_codes(files_, kCodesPath, changing_options()));
    ROX_RETURN_IF_ERROR(replay_codes_log(*file, kLogPath, writer.end().bytes, codes).status());
    return make_disk_graph(std::move(codes), kLogPath);
  }
  template <typename Add>
  void expect_refused(const std::string& why, Add add) {
    const Status status = replay(add).status();
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << why << ": " << status.to_string();
    EXPECT_NE(status.message().find(kLogPath), std::string::npos) << status.message();
    EXPECT_NE(status.message().find(why), std::string::npos) << status.message();
  }

  storage::SimulatedFileSystem files_;
  storage::SimulatedRandom random_{1};
  ChangingGraph changing_ = ChangingGraph::make(4, random_);
  uint64_t codes_checksum_ = 0;
  std::vector<uint32_t> vacant_;
};

TEST_F(CodesLogTest, NumbersAloneMakeABlock) {
  const uint64_t digest = changing_.digest();
  const auto same = replay([](CodesLogWriter&) {});
  ASSERT_TRUE(same.is_ok()) << same.status().to_string();
  EXPECT_EQ(digest_of(**same), digest);
}

TEST_F(CodesLogTest, ASlotThatIsThereTwiceIsRefused) {
  uint32_t slot = 0;
  while (graph().node_of(slot) == kNoNode) ++slot;
  const uint32_t other = (graph().page_of(graph().node_of(slot)) + 1) % 4;
  expect_refused("is there twice", [&](CodesLogWriter& writer) {
    std::vector<uint32_t> slots = vacant_;
    slots[3] = slot;
    ASSERT_TRUE(writer.add_page(other, slots).is_ok());
  });
}

TEST_F(CodesLogTest, AnotherNumberOfSlotsIsRefused) {
  expect_refused("nodes",
                 [&](CodesLogWriter& writer) { ASSERT_TRUE(writer.add_page(2, vacant_).is_ok()); });
}

TEST_F(CodesLogTest, ASlotBeyondAllIsRefused) {
  expect_refused("a slot", [&](CodesLogWriter& writer) {
    std::vector<uint32_t> slots = vacant_;
    slots[0] = static_cast<uint32_t>(graph().node_of_slot.size());
    ASSERT_TRUE(writer.add_page(2, slots).is_ok());
  });
}

TEST_F(CodesLogTest, AFreePageHasNoSlots) {
  graph().page_cells[2] = kNoCell;
  expect_refused("lies in a free page", [&](CodesLogWriter& writer) {
    std::vector<uint32_t> slots = vacant_;
    for (uint32_t slot = 0, place = 0; slot < graph().node_of_slot.size(); ++slot) {
      if (graph().page_of(graph().node_of(slot)) == 2) slots[place++] = slot;
    }
    ASSERT_TRUE(writer.add_page(2, slots).is_ok());
  });
}

TEST_F(CodesLogTest, NewPagesComeOneAfterTheOther) {
  graph().shape.page_count += 2;
  graph().page_cells.grow(graph().shape.page_count);
  graph().codes.grow(graph().place_count() * graph().code.code_bytes());
  expect_refused("page 5",
                 [&](CodesLogWriter& writer) { ASSERT_TRUE(writer.add_page(5, vacant_).is_ok()); });
  const auto taken = replay([&](CodesLogWriter& writer) {
    ASSERT_TRUE(writer.add_page(4, vacant_).is_ok());
    ASSERT_TRUE(writer.add_page(5, vacant_).is_ok());
  });
  ASSERT_TRUE(taken.is_ok()) << taken.status().to_string();
  EXPECT_EQ((*taken)->shape.page_count, 6u);
}

TEST_F(CodesLogTest, ACellThatIsNotThereIsRefused) {
  graph().page_cells[1] = graph().shape.cell_count;
  expect_refused("page 1",
                 [&](CodesLogWriter& writer) { ASSERT_TRUE(writer.add_page(1, vacant_).is_ok()); });
}

TEST_F(CodesLogTest, CellsAreCheckedToo) {
  Cells& cells = graph().cells;
  const std::vector<float> centroid(cells.dim());
  for (int i = 0; i < 2; ++i) cells.add_cell(1, centroid.data(), 0);
  expect_refused("cell 4",
                 [&](CodesLogWriter& writer) { ASSERT_TRUE(writer.add_cell(4).is_ok()); });
  cells.move_cell(0, centroid.data(), std::numeric_limits<float>::infinity());
  expect_refused("cell 0",
                 [&](CodesLogWriter& writer) { ASSERT_TRUE(writer.add_cell(0).is_ok()); });
  std::vector<float> no_numbers(cells.dim(), std::numeric_limits<float>::quiet_NaN());
  cells.move_cell(0, no_numbers.data(), 0);
  expect_refused("its centroid",
                 [&](CodesLogWriter& writer) { ASSERT_TRUE(writer.add_cell(0).is_ok()); });
  Cells::Parts parts = cells.parts();
  parts.cell_groups[1] = 1 - parts.cell_groups[1];
  graph().cells = Cells(cells.dim(), parts);
  expect_refused("its group",
                 [&](CodesLogWriter& writer) { ASSERT_TRUE(writer.add_cell(1).is_ok()); });
  const uint32_t group = graph().shape.group_count;
  graph().cells.add_group(centroid.data());
  parts = graph().cells.parts();
  parts.cell_groups[3] = group;
  graph().cells = Cells(cells.dim(), parts);
  expect_refused("cell 3",
                 [&](CodesLogWriter& writer) { ASSERT_TRUE(writer.add_cell(3).is_ok()); });
}

TEST_F(CodesLogTest, NumbersAreCheckedToo) {
  graph().error.spread = std::numeric_limits<float>::quiet_NaN();
  expect_refused("numbers", [](CodesLogWriter&) {});
}

// The bound that a save goes by before it writes.
TEST_F(CodesLogTest, BytesAreKnownBefore) {
  for (const size_t pages : {0, 1, 3, 4}) {
    uint64_t written = 0;
    static_cast<void>(replay([&](CodesLogWriter& writer) {
      for (uint32_t page = 0; page < pages; ++page) {
        ASSERT_TRUE(writer.add_page(page, vacant_).is_ok());
      }
    }));
    written = *files_.file_size(kLogPath);
    EXPECT_LE(written, codes_log_bytes(graph(), 0, pages));
    EXPECT_GE(written + 4096, codes_log_bytes(graph(), 0, pages));
  }
}

}  // namespace
}  // namespace roxanne::index
