// Places in pages: inside the page, after its header, apart from each other.
#include "index/node_page.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace roxanne::index {
namespace {

constexpr uint32_t kDegree = 32;
constexpr ScalarType kTypes[] = {ScalarType::kF32, ScalarType::kF16, ScalarType::kU8,
                                 ScalarType::kI8};

void expect_apart(const NodePageLayout& layout) {
  const size_t n = layout.nodes;
  const std::vector<std::pair<size_t, size_t>> parts = {
      {layout.slots_offset, n * sizeof(uint32_t)},
      {layout.norms_offset, layout.has_norms ? n * sizeof(float) : 0},
      {layout.tags_offset, n * sizeof(uint64_t)},
      {layout.neighbours_offset, n * layout.max_degree * sizeof(uint32_t)},
      {layout.rows_offset, n * layout.row_bytes}};
  size_t end = storage::kPageHeaderBytes;
  for (const auto& [offset, bytes] : parts) {
    ASSERT_GE(offset, end);
    end = offset + bytes;
  }
  ASSERT_LE(end, layout.page_bytes);
  ASSERT_EQ(layout.slots_offset % alignof(uint32_t), 0u);
  ASSERT_EQ(layout.norms_offset % alignof(float), 0u);
  ASSERT_EQ(layout.tags_offset % alignof(uint64_t), 0u);
  ASSERT_EQ(layout.neighbours_offset % alignof(uint32_t), 0u);
  ASSERT_EQ(layout.rows_offset % 16, 0u);
}

TEST(NodePage, PartsLieApartAndFit) {
  for (const ScalarType type : kTypes) {
    for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
      for (size_t dim = 1; dim <= kDimMax; dim = dim < 140 ? dim + 1 : dim * 5 / 4) {
        SCOPED_TRACE(std::string(scalar_type_name(type)) + " dim " + std::to_string(dim));
        const NodePageLayout layout({.dim = dim, .type = type, .metric = metric}, kDegree);
        if (layout.nodes == 0) {
          ASSERT_GT(dim * scalar_bytes(type) + 200, storage::kPageBytesMax);
          continue;
        }
        ASSERT_EQ(layout.page_bytes % base::kPageBytes, 0u);
        ASSERT_LE(layout.page_bytes, storage::kPageBytesMax);
        ASSERT_LE(layout.nodes, NodePageLayout::kNodesMax);
        ASSERT_EQ(layout.has_norms, metric == Metric::kCosine);
        expect_apart(layout);
      }
    }
  }
}

TEST(NodePage, PagesGrowForFewLargeNodesOnly) {
  const auto layout = [](size_t dim, ScalarType type = ScalarType::kF32) {
    return NodePageLayout({.dim = dim, .type = type}, kDegree);
  };
  EXPECT_EQ(layout(1, ScalarType::kU8).page_bytes, 4096u);
  EXPECT_EQ(layout(1, ScalarType::kU8).nodes, 28u);  // 141 bytes each
  EXPECT_EQ(layout(128, ScalarType::kU8).page_bytes, 4096u);
  EXPECT_EQ(layout(128, ScalarType::kU8).nodes, 15u);
  EXPECT_EQ(layout(768).page_bytes, 16384u) << "4 nodes of 3.2 KB";
  EXPECT_EQ(layout(768).nodes, 5u);
  EXPECT_EQ(layout(1536).page_bytes, 16384u);
  EXPECT_EQ(layout(1536).nodes, 2u);
  EXPECT_EQ(layout(4096).page_bytes, 20480u);
  EXPECT_EQ(layout(4096).nodes, 1u);
}

// 64 KiB of vector, and no room for anything else: there is no disk form.
TEST(NodePage, TheWidestFloatsDoNotFit) {
  EXPECT_EQ(NodePageLayout({.dim = 16384}, kDegree).nodes, 0u);
  EXPECT_EQ(NodePageLayout({.dim = 16384, .type = ScalarType::kF16}, kDegree).nodes, 1u);
}

TEST(NodePage, WhatIsReadIsWhatLiesThere) {
  const NodePageLayout layout({.dim = 5, .type = ScalarType::kF16, .metric = Metric::kCosine},
                              kDegree);
  std::vector<uint64_t> words(layout.page_bytes / sizeof(uint64_t));
  auto* page = reinterpret_cast<std::byte*>(words.data());
  for (size_t i = 0; i < layout.page_bytes; ++i) page[i] = static_cast<std::byte>(i % 251);
  for (size_t place = 0; place < layout.nodes; ++place) {
    uint32_t slot;
    std::memcpy(&slot, page + layout.slots_offset + 4 * place, 4);
    EXPECT_EQ(layout.slot(page, place), slot);
    uint64_t tag;
    std::memcpy(&tag, page + layout.tags_offset + 8 * place, 8);
    EXPECT_EQ(layout.tag(page, place), tag);
    EXPECT_EQ(layout.row(page, place), page + layout.rows_offset + 10 * place);
    EXPECT_EQ(reinterpret_cast<const std::byte*>(layout.neighbours(page, place)),
              page + layout.neighbours_offset + 4 * kDegree * place);
  }
  EXPECT_EQ(reinterpret_cast<const std::byte*>(layout.norms(page)), page + layout.norms_offset);
  EXPECT_EQ(NodePageLayout({.dim = 5}, kDegree).norms(page), nullptr);
}

}  // namespace
}  // namespace roxanne::index
