// The file of codes: what is read is what was written; whatever is wrong with it is named.
#include "index/disk_codes_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "index/test_changing_graph.h"
#include "index/test_disk_index.h"
#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

constexpr size_t kHeaderBytes = 160;
constexpr size_t kPageBytes = 4096;
constexpr size_t kFewDimensions = 24, kManyDimensions = 97;

// Of so many dimensions: few have product codes, many levels.
class DiskCodesFileTest : public testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(file_system_.create_directory("/db").is_ok());
    auto built = build_disk(file_system_, "/db", rows_, Metric::kInnerProduct);
    ASSERT_TRUE(built.is_ok()) << built.status().to_string();
    built_ = std::move(*built);
    ASSERT_EQ(built_->graph().code.shape(), GetParam() == kFewDimensions
                                                ? quantize::CellCodeShape::product(kFewDimensions)
                                                : quantize::CellCodeShape::levels(GetParam()));
    size_ = *file_system_.file_size(path());
  }
  std::string path() const { return disk_paths("/db").codes; }
  CollectionOptions options() const { return rows_.options(Metric::kInnerProduct); }
  Result<std::unique_ptr<DiskGraph>> read(storage::FileSystem& file_system) const {
    return read_disk_codes(file_system, path(), options());
  }
  Status read_flipped(uint64_t offset, std::byte mask) const {
    const auto damaged = file_system_.clone();
    EXPECT_TRUE(damaged->flip_byte(path(), offset, mask).is_ok());
    const Status status = read(*damaged).status();
    if (!status.is_ok()) {
      EXPECT_NE(status.message().find(path()), std::string::npos) << status.message();
    }
    return status;
  }

  storage::SimulatedFileSystem file_system_;
  const NamedRows rows_{make_test_rows(ScalarType::kF16, 900, GetParam(), 1)};
  std::unique_ptr<DiskIndex> built_;
  uint64_t size_ = 0;
};

TEST_P(DiskCodesFileTest, AllOfAGraphComesBack) {
  const auto file = read(file_system_);
  ASSERT_TRUE(file.is_ok()) << file.status().to_string();
  const DiskGraph& want = built_->graph();
  const DiskGraph& got = **file;
  EXPECT_EQ(got.shape.node_count, 900u);
  EXPECT_EQ(got.shape.page_count, want.shape.page_count);
  EXPECT_EQ(got.shape.max_degree, want.shape.max_degree);
  EXPECT_EQ(got.shape.code, want.shape.code);
  EXPECT_EQ(got.layout.page_bytes, want.layout.page_bytes);
  EXPECT_EQ(got.layout.nodes, want.layout.nodes);
  EXPECT_EQ(got.list_sizes.at_small_k, want.list_sizes.at_small_k);
  EXPECT_EQ(got.list_sizes.at_large_k, want.list_sizes.at_large_k);
  EXPECT_EQ(got.error.bias, want.error.bias);
  EXPECT_EQ(got.error.spread, want.error.spread);
  EXPECT_EQ(got.space.origin(), want.space.origin());
  EXPECT_EQ(got.space.scale(), want.space.scale());
  EXPECT_EQ(got.space.greatest_norm(), want.space.greatest_norm());
  EXPECT_TRUE(std::ranges::equal(got.code.codebook(), want.code.codebook()));
  EXPECT_EQ(got.code.add_step(), want.code.add_step());
  EXPECT_EQ(got.cells.parts().group_centroids, want.cells.parts().group_centroids);
  EXPECT_EQ(got.cells.parts().cell_groups, want.cells.parts().cell_groups);
  EXPECT_EQ(got.cells.parts().centroids, want.cells.parts().centroids);
  EXPECT_EQ(got.cells.parts().offsets, want.cells.parts().offsets);
  EXPECT_EQ(got.cell_pages, want.cell_pages);
  EXPECT_TRUE(std::ranges::equal(got.page_cells, want.page_cells));
  EXPECT_TRUE(std::ranges::equal(got.node_of_slot, want.node_of_slot));
  EXPECT_TRUE(std::ranges::equal(got.codes.span(), want.codes.span()));
  EXPECT_EQ(slots_of(built_->slots()), rows_.slots);
}

// Slots are written a part at a time: of 65,536 places and more.
TEST(DiskCodesFileOfManyPlaces, EverySlotComesBack) {
  storage::SimulatedFileSystem file_system;
  storage::SimulatedRandom random(3);
  ChangingGraph changing = ChangingGraph::make(12'000, random);
  ASSERT_GT(changing.graph().place_count(), 140'000u);
  ASSERT_TRUE(write_disk_codes(file_system, "codes", changing.graph(), 0).is_ok());
  const auto read = read_disk_codes(file_system, "codes", changing_options());
  ASSERT_TRUE(read.is_ok()) << read.status().to_string();
  EXPECT_EQ(digest_of(**read), changing.digest());
}

TEST_P(DiskCodesFileTest, EveryByteOfTheHeaderCounts) {
  std::mt19937 random(1);
  for (uint64_t offset = 0; offset < kPageBytes;
       offset += offset < kHeaderBytes ? 1 : 1 + random() % 40) {
    for (const int bit : {0, 3, 7}) {
      const Status status = read_flipped(offset, std::byte{1} << bit);
      // The last bit makes it the version before, which is read.
      const bool is_version = offset >= 8 && offset < 12 && (offset > 8 || bit > 0);
      ASSERT_EQ(status.code(), is_version ? StatusCode::kUnsupported : StatusCode::kCorruption)
          << "offset " << offset << ": " << status.to_string();
      ASSERT_TRUE(is_version || status.message().find("header") != std::string::npos)
          << status.message();
    }
  }
}

// A flipped byte names its section, or lies between two of them.
TEST_P(DiskCodesFileTest, OtherBytesAreNamedOrBelongToNobody) {
  std::mt19937 random(2);
  size_t harmless = 0;
  constexpr size_t kFlips = 500;
  for (size_t i = 0; i < kFlips; ++i) {
    const uint64_t offset = kPageBytes + random() % (size_ - kPageBytes);
    const Status status = read_flipped(offset, std::byte{1} << (random() % 8));
    if (status.is_ok()) {
      ++harmless;
      continue;
    }
    ASSERT_EQ(status.code(), StatusCode::kCorruption);
    ASSERT_TRUE(status.message().find("section") != std::string::npos ||
                status.message().find("codes, block") != std::string::npos)
        << status.message();
  }
  EXPECT_LT(harmless, kFlips / 2) << "small sections are mostly what is between them";
}

TEST_P(DiskCodesFileTest, AnotherLengthIsNamed) {
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{100}, uint64_t{4096}, uint64_t{20000}, size_ - 1, size_ + 1}) {
    const auto damaged = file_system_.clone();
    ASSERT_TRUE((*damaged->open(path(), storage::OpenMode::kReadWrite))->truncate(size).is_ok());
    const Status status = read(*damaged).status();
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << size << ": " << status.to_string();
    EXPECT_NE(status.message().find(path()), std::string::npos);
  }
}

TEST_P(DiskCodesFileTest, AnotherCollectionsFileIsRefused) {
  CollectionOptions other_dim = options(), other_metric = options(), other_type = options();
  other_dim.dim = 25;
  other_metric.metric = Metric::kL2;
  other_type.type = ScalarType::kF32;
  for (const CollectionOptions& other : {other_dim, other_metric, other_type}) {
    const Status status = read_disk_codes(file_system_, path(), other).status();
    EXPECT_EQ(status.code(), StatusCode::kCorruption);
    EXPECT_NE(status.message().find("another collection"), std::string::npos) << status.message();
  }
  EXPECT_EQ(read_disk_codes(file_system_, "/db/nothing", options()).status().code(),
            StatusCode::kNotFound);
}

// Pages and codes of two graphs: what does not fit each other is not served.
TEST_P(DiskCodesFileTest, PagesOfAnotherGraphAreRefused) {
  ASSERT_TRUE(file_system_.create_directory("/other").is_ok());
  const NamedRows more(make_test_rows(ScalarType::kF16, 1500, GetParam(), 3));
  ASSERT_TRUE(build_disk(file_system_, "/other", more, Metric::kInnerProduct).is_ok());
  const Status status =
      DiskIndex::open(file_system_, {disk_paths("/other").pages, path()}, options()).status();
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_NE(status.message().find("/other"), std::string::npos) << status.message();
}

INSTANTIATE_TEST_SUITE_P(Dimensions, DiskCodesFileTest,
                         testing::Values(kFewDimensions, kManyDimensions));

}  // namespace
}  // namespace roxanne::index
