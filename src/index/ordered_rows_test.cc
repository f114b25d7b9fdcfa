#include "index/ordered_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

struct Input {
  std::vector<float> values;
  std::vector<uint32_t> slots;
  std::vector<uint64_t> tags;
};

Input make_input(size_t count, size_t dim) {
  Input input;
  for (size_t i = 0; i < count; ++i) {
    for (size_t d = 0; d < dim; ++d) input.values.push_back(static_cast<float>(i * dim + d));
    input.slots.push_back(static_cast<uint32_t>(7 * i));
    input.tags.push_back(~uint64_t{i});
  }
  return input;
}

TEST(OrderedRowsTest, ReadsWhatWasAppended) {
  constexpr size_t kRows = 70000, kDim = 5;  // more than is written and read at a time
  storage::SimulatedFileSystem files;
  const Input input = make_input(kRows, kDim);
  {
    auto created = OrderedRows::create(files, "rows", ScalarType::kF32, kDim);
    ASSERT_TRUE(created.is_ok()) << created.status().to_string();
    OrderedRows& rows = **created;
    for (size_t first = 0; first < kRows; first += 9999) {
      const size_t count = std::min<size_t>(9999, kRows - first);
      ASSERT_TRUE(rows.append(MatrixView::f32(input.values.data() + first * kDim, count, kDim),
                              std::span(input.slots).subspan(first, count),
                              std::span(input.tags).subspan(first, count)));
    }
    ASSERT_TRUE(rows.finish());
    EXPECT_EQ(rows.count(), kRows);
    OrderedRows::Block block;
    for (const auto& [first, count] :
         {std::pair<size_t, size_t>{0, kRows}, {123, 1}, {5, 0}, {kRows - 10, 10}, {1000, 50000}}) {
      ASSERT_TRUE(rows.read(first, count, block));
      ASSERT_EQ(block.rows().rows(), count);
      std::vector<float> alone(count * kDim);
      ASSERT_TRUE(rows.read_rows(first, count, reinterpret_cast<std::byte*>(alone.data())));
      for (size_t i = 0; i < count; ++i) {
        const float* const row = input.values.data() + (first + i) * kDim;
        ASSERT_EQ(std::memcmp(block.rows().row(i), row, kDim * sizeof(float)), 0);
        ASSERT_EQ(std::memcmp(alone.data() + i * kDim, row, kDim * sizeof(float)), 0);
        ASSERT_EQ(block.slots()[i], input.slots[first + i]);
        ASSERT_EQ(block.tags()[i], input.tags[first + i]);
      }
    }
  }
  EXPECT_TRUE(files.files().empty());  // the file went with the object
}

TEST(OrderedRowsTest, AFullDiskIsToldAndLeavesNothing) {
  storage::SimulatedFileSystem files;
  files.set_capacity_bytes(1 << 20);
  const Input input = make_input(100000, 4);
  {
    auto rows = OrderedRows::create(files, "rows", ScalarType::kF32, 4);
    ASSERT_TRUE(rows.is_ok());
    Status status =
        (*rows)->append(MatrixView::f32(input.values.data(), 100000, 4), input.slots, input.tags);
    if (status.is_ok()) status = (*rows)->finish();
    EXPECT_EQ(status.code(), StatusCode::kDiskFull) << status.to_string();
  }
  EXPECT_TRUE(files.files().empty());
}

TEST(OrderedRowsTest, ReadsThatFailAreTold) {
  storage::SimulatedFileSystem files;
  const Input input = make_input(10, 4);
  auto rows = OrderedRows::create(files, "rows", ScalarType::kF32, 4);
  ASSERT_TRUE(rows.is_ok());
  ASSERT_TRUE(
      (*rows)->append(MatrixView::f32(input.values.data(), 10, 4), input.slots, input.tags));
  ASSERT_TRUE((*rows)->finish());
  files.inject({.operation = storage::Operation::kRead});
  OrderedRows::Block block;
  EXPECT_EQ((*rows)->read(0, 10, block).code(), StatusCode::kIoError);
  EXPECT_TRUE((*rows)->read(0, 10, block));
}

}  // namespace
}  // namespace roxanne::index
