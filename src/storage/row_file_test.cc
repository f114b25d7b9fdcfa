#include "storage/row_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "storage/simulated_file_system.h"

namespace roxanne::storage {
namespace {

constexpr uint32_t kRowBytes = 100;

std::vector<std::byte> row_of(uint32_t slot) {
  std::vector<std::byte> bytes(kRowBytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte((slot * 13 + i) % 251);
  return bytes;
}

class RowFileTest : public testing::Test {
 protected:
  std::unique_ptr<RowFile> make() {
    auto file = RowFile::create(file_system_, "/rows", kRowBytes);
    EXPECT_TRUE(file.is_ok()) << file.status().to_string();
    return std::move(*file);
  }
  static Status write(RowFile& file, uint32_t slot) {
    const auto bytes = row_of(slot);
    const RowRef row{slot, slot + 7u, slot + 9u, bytes.data()};
    return file.write({&row, 1});
  }
  SimulatedFileSystem file_system_;
};

TEST_F(RowFileTest, LayoutHoldsItsArraysAndIsPageAligned) {
  for (const uint32_t row_bytes : {1u, 4u, 100u, 128u, 784u, 1536u, 6144u, 65536u}) {
    const RowLayout layout = RowLayout::for_row_bytes(row_bytes);
    EXPECT_EQ(layout.block_bytes % 4096, 0u);
    EXPECT_EQ(layout.rows_offset % 64, 0u);
    EXPECT_EQ(layout.rows_per_block & (layout.rows_per_block - 1), 0u);
    EXPECT_GE(layout.rows_per_block, 64u);
    EXPECT_LE(layout.rows_per_block, 2048u);
    EXPECT_LE(layout.rows_offset + size_t{row_bytes} * layout.rows_per_block, layout.block_bytes);
  }
}

TEST_F(RowFileTest, RowsComeBackAfterReopening) {
  auto file = make();
  std::vector<std::vector<std::byte>> bytes;
  std::vector<RowRef> rows;
  for (uint32_t slot = 0; slot < 5000; slot += slot % 7 == 0 ? 3 : 1) bytes.push_back(row_of(slot));
  size_t next = 0;
  for (uint32_t slot = 0; slot < 5000; slot += slot % 7 == 0 ? 3 : 1) {
    rows.push_back({slot, slot + 7u, slot + 9u, bytes[next++].data()});
  }
  ASSERT_TRUE(file->reserve(5000));
  ASSERT_TRUE(file->write(rows));
  ASSERT_TRUE(file->sync());
  file.reset();
  auto again = RowFile::open(file_system_, "/rows", kRowBytes, true);
  ASSERT_TRUE(again.is_ok()) << again.status().to_string();
  std::vector<std::byte> buffer(kRowBytes);
  for (const RowRef& row : rows) {
    const auto read = (*again)->read_row(row.slot, buffer);
    ASSERT_TRUE(read.is_ok()) << read.status().to_string();
    EXPECT_EQ(read->tag, row.tag);
    EXPECT_EQ(read->norm, row.norm);
    EXPECT_EQ(buffer, row_of(row.slot));
  }
}

// Keeps D6.
TEST_F(RowFileTest, AFailedSyncIsNotForgottenByTheNext) {
  auto file = make();
  ASSERT_TRUE(write(*file, 5));
  file_system_.inject({.operation = Operation::kSync});
  EXPECT_EQ(file->sync().code(), StatusCode::kIoError);
  EXPECT_EQ(file->sync().code(), StatusCode::kIoError);
}

TEST_F(RowFileTest, ReadRejectsAnyFlippedByte) {
  auto file = make();
  ASSERT_TRUE(write(*file, 5));
  const RowLayout& layout = file->layout();
  std::vector<std::byte> buffer(kRowBytes);
  const uint64_t block = layout.block_offset(0);
  std::vector<uint64_t> offsets = {block + 5 * 8, block + layout.norms_offset + 5 * 4 + 3,
                                   block + layout.checksums_offset + 5 * 4 + 1};
  for (uint64_t i = 0; i < kRowBytes; ++i) {
    offsets.push_back(block + layout.rows_offset + 5 * kRowBytes + i);
  }
  for (const uint64_t offset : offsets) {
    ASSERT_TRUE(file->read_row(5, buffer).is_ok());
    ASSERT_TRUE(file_system_.flip_byte("/rows", offset, std::byte{32}));
    const auto read = file->read_row(5, buffer);
    ASSERT_EQ(read.status().code(), StatusCode::kCorruption) << offset;
    EXPECT_NE(read.status().message().find("slot 5"), std::string::npos);
    ASSERT_TRUE(file_system_.flip_byte("/rows", offset, std::byte{32}));
  }
}

TEST_F(RowFileTest, ARowInAnotherPlaceIsNotItself) {
  auto file = make();
  const auto bytes = row_of(1);
  EXPECT_NE(row_checksum({1, 2, 3, bytes.data()}, kRowBytes),
            row_checksum({2, 2, 3, bytes.data()}, kRowBytes));
}

TEST_F(RowFileTest, OpenRejectsDamagedHeadersAndOtherRowSizes) {
  make();
  EXPECT_EQ(RowFile::open(file_system_, "/rows", kRowBytes + 1, true).status().code(),
            StatusCode::kCorruption);
  EXPECT_EQ(RowFile::open(file_system_, "/none", kRowBytes, true).status().code(),
            StatusCode::kCorruption);
  for (const uint64_t offset : {0, 9, 13, 17, 100, 4090}) {
    ASSERT_TRUE(file_system_.flip_byte("/rows", offset, std::byte{1}));
    EXPECT_EQ(RowFile::open(file_system_, "/rows", kRowBytes, true).status().code(),
              StatusCode::kCorruption);
    ASSERT_TRUE(file_system_.flip_byte("/rows", offset, std::byte{1}));
  }
  EXPECT_TRUE(RowFile::open(file_system_, "/rows", kRowBytes, true).is_ok());
}

// Keeps D2: whatever a power cut leaves of a write to a free slot, its neighbours are whole.
TEST_F(RowFileTest, ATornWriteHurtsNoNeighbour) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimulatedFileSystem file_system(seed);
    {
      auto file = RowFile::create(file_system, "/rows", kRowBytes);
      ASSERT_TRUE(file.is_ok());
      ASSERT_TRUE(file_system.sync_directory("/"));
      for (uint32_t slot = 0; slot < 40; slot += 2) ASSERT_TRUE(write(**file, slot));
      ASSERT_TRUE((*file)->sync());
      for (uint32_t slot = 1; slot < 40; slot += 2) ASSERT_TRUE(write(**file, slot));
    }
    file_system.power_cycle(seed, PowerCutPolicy::kRandom);
    auto file = RowFile::open(file_system, "/rows", kRowBytes, true);
    ASSERT_TRUE(file.is_ok());
    std::vector<std::byte> buffer(kRowBytes);
    for (uint32_t slot = 0; slot < 40; slot += 2) {
      ASSERT_TRUE((*file)->read_row(slot, buffer).is_ok()) << "seed " << seed;
      EXPECT_EQ(buffer, row_of(slot));
    }
  }
}

TEST_F(RowFileTest, SpaceIsGivenBackAndTakenAgain) {
  auto file = make();
  const uint32_t rows = file->layout().rows_per_block;
  const uint64_t block_bytes = file->layout().block_bytes;
  for (uint32_t block = 0; block < 6; ++block) {
    const std::vector<uint32_t> slots = {block * rows + 3};
    ASSERT_TRUE(file->reserve(slots));
    ASSERT_TRUE(write(*file, slots[0]));
  }
  const uint64_t before = *file->allocated_bytes();
  ASSERT_TRUE(file->punch(1, 2));
  EXPECT_TRUE(file->is_punched(1) && file->is_punched(2) && !file->is_punched(3));
  EXPECT_EQ(*file->allocated_bytes(), before - 2 * block_bytes);
  ASSERT_TRUE(file->cut(4 * rows + 1));
  EXPECT_EQ(file->block_count(), 5u);
  EXPECT_EQ(*file->size(), file->layout().block_offset(5));
  std::vector<std::byte> row(kRowBytes);
  for (const uint32_t block : {0u, 3u, 4u}) {
    EXPECT_TRUE(file->read_row(block * rows + 3, row).is_ok());
  }
  for (const uint32_t block : {1u, 2u, 5u}) {
    EXPECT_EQ(file->read_row(block * rows + 3, row).status().code(), StatusCode::kCorruption);
  }
  // What was given back is asked for before it is written: by this process, and by the next.
  for (int round = 0; round < 2; ++round) {
    const std::vector<uint32_t> slots = {rows + 3};
    file_system_.set_capacity_bytes(*file->allocated_bytes() + block_bytes / 2);
    EXPECT_EQ(file->reserve(slots).code(), StatusCode::kDiskFull);
    file_system_.set_capacity_bytes(1u << 30);
    file = *RowFile::open(file_system_, "/rows", kRowBytes, false);
  }
  EXPECT_TRUE(file->reserve(std::vector<uint32_t>{rows + 3}));
  EXPECT_TRUE(write(*file, rows + 3));
  EXPECT_TRUE(file->read_row(rows + 3, row).is_ok());
}

// In as many steps as double, not in as many as there are blocks.
TEST_F(RowFileTest, ReservesNoMoreThanCameSinceItWasOpened) {
  auto file = make();
  const uint64_t rows = file->layout().rows_per_block;
  for (uint64_t blocks = 1; blocks <= 40; ++blocks) {
    ASSERT_TRUE(file->reserve(blocks * rows));
    EXPECT_GE(file->block_count(), blocks);
    EXPECT_LE(file->block_count(), 2 * blocks);
  }
  const uint64_t before = file->block_count();
  file.reset();
  auto again = RowFile::open(file_system_, "/rows", kRowBytes, false);
  ASSERT_TRUE(again.is_ok());
  ASSERT_TRUE((*again)->reserve(before * rows + 1));
  EXPECT_EQ((*again)->block_count(), before + 1);
}

TEST_F(RowFileTest, ReserveSaysWhenTheDiskIsFull) {
  auto file = make();
  file_system_.set_capacity_bytes(1u << 20);
  EXPECT_EQ(file->reserve(1u << 20).code(), StatusCode::kDiskFull);
  EXPECT_TRUE(file->reserve(100));
}

}  // namespace
}  // namespace roxanne::storage
