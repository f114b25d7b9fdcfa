// Graphs that are wrong though every checksum is right.
#include "index/disk_check.h"

#include <gtest/gtest.h>

#include <cstring>

#include "index/test_disk_index.h"
#include "storage/test_directory.h"

namespace roxanne::index {
namespace {

constexpr size_t kCheckedRows = 1200;

class DiskCheckTest : public testing::Test {
 protected:
  void build(Metric metric = Metric::kL2) {
    ASSERT_TRUE(build_disk(files_, folder_.path(), rows_, metric).is_ok());
    auto opened = DiskIndex::open(files_, disk_paths(folder_.path()), rows_.options(metric),
                                  {.read_only = false});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    index_ = *std::move(opened);
    expect_sound(*index_, rows_);
  }
  DiskGraph& graph() { return index_->graph(); }

  // Writes a page anew with other bytes.
  template <typename Edit>
  void edit_page(uint32_t number, Edit edit) {
    storage::PageStore& pages = index_->pages();
    base::AlignedBuffer buffer(pages.page_bytes());
    ASSERT_TRUE(pages.read_page(*pages.snapshot(), number, buffer.span()).is_ok());
    const uint64_t taken = storage::load_page_header(buffer.data()).record_bitmap;
    edit(buffer.data());
    const storage::PageImage image{number, 0, taken, buffer.data()};
    ASSERT_TRUE(pages.write({&image, 1}).is_ok());
  }
  uint32_t* neighbours(std::byte* page, size_t place) {
    return const_cast<uint32_t*>(graph().layout.neighbours(page, place));
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    index_->verify(
        [&](uint32_t slot) { return rows_.rows.view().row(NamedRows::row_of_slot(slot)); },
        [](uint32_t slot) { return ~uint64_t{slot}; },
        [&](const Status& status) {
          EXPECT_EQ(status.code(), StatusCode::kCorruption);
          found.push_back(status.message());
          return true;
        });
    return found;
  }
  void expect_problem(const std::string& text) {
    const auto found = problems();
    ASSERT_FALSE(found.empty()) << "no problem: " << text;
    EXPECT_NE(found.front().find(text), std::string::npos) << found.front();
  }

  storage::FileSystem& files_ = storage::posix_file_system();
  storage::TestDirectory folder_;
  const NamedRows rows_{make_test_rows(ScalarType::kU8, kCheckedRows, 24, 1)};
  std::unique_ptr<DiskIndex> index_;
};

TEST_F(DiskCheckTest, EdgesThatLeadNowhere) {
  build();
  edit_page(3, [&](std::byte* page) { neighbours(page, 1)[0] = 3 * kCheckedRows + 100; });
  expect_problem("an edge leads to slot " + std::to_string(3 * kCheckedRows + 100));
}

TEST_F(DiskCheckTest, EdgesToThemselvesAndTwice) {
  build();
  edit_page(2, [&](std::byte* page) { neighbours(page, 0)[1] = graph().layout.slot(page, 0); });
  edit_page(5, [&](std::byte* page) { neighbours(page, 0)[1] = neighbours(page, 0)[0]; });
  const auto found = problems();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NE(found[0].find("an edge leads to slot"), std::string::npos) << found[0];
  EXPECT_NE(found[1].find("two edges lead to slot"), std::string::npos) << found[1];
}

// Taking points out leaves edges to them behind, more than a few where many go at once.
TEST_F(DiskCheckTest, EdgesToPointsThatAreGoneAreNoDamage) {
  build();
  for (uint32_t page = 0; page < graph().shape.page_count; ++page) {
    edit_page(page, [&](std::byte* bytes) {
      for (uint32_t place = 0; place < graph().layout.nodes; place += 3) {
        for (size_t i = 0; i < graph().layout.max_degree; ++i) {
          neighbours(bytes, place)[i] = static_cast<uint32_t>(3 * i + 2);  // nobody's slots
        }
      }
    });
  }
  EXPECT_TRUE(problems().empty());
}

TEST_F(DiskCheckTest, CodesOfOtherVectors) {
  build();
  graph().codes.data()[0] ^= std::byte{0x40};
  expect_problem("its code is not its vector's");
}

TEST_F(DiskCheckTest, CellsThatDoNotHaveTheirPages) {
  build();
  ASSERT_GT(graph().cells.cell_count(), 1u);
  const uint32_t page = graph().cell_pages[0].back();
  graph().cell_pages[0].pop_back();
  expect_problem("no cell lists page " + std::to_string(page));
  graph().cell_pages[1].push_back(page);
  expect_problem("cell 1 lists page " + std::to_string(page));
}

TEST_F(DiskCheckTest, PagesThatAreNotThere) {
  build();
  const uint32_t page = 4;
  ASSERT_TRUE(index_->pages().remove({&page, 1}).is_ok());
  expect_problem("page 4 is not there");
}

TEST_F(DiskCheckTest, SlotsThatLeadElsewhere) {
  build();
  std::swap(graph().node_of_slot[1], graph().node_of_slot[4]);
  expect_problem("the codes do not name its slot");
}

TEST_F(DiskCheckTest, NormsOfOtherVectors) {
  build(Metric::kCosine);
  edit_page(1,
            [&](std::byte* page) { const_cast<float*>(graph().layout.norms(page))[0] *= 1.01f; });
  expect_problem("its norm is not its vector's");
}

}  // namespace
}  // namespace roxanne::index
