// What kernels are given: rows of codes, tiles of queries, nodes. Plain data, the same on both
// sides.
#pragma once

#include <cstddef>
#include <cstdint>

namespace roxanne::accel {

// As graph::kNoRow.
inline constexpr uint32_t kNoRow = UINT32_MAX;
// After all edges that there are.
inline constexpr uint64_t kNoEdge = UINT64_MAX;

// Rows on the device lie at whole quads, zeros after their codes, so that they are read 16 bytes at
// a time.
inline constexpr size_t kRowAlignment = 16;
constexpr size_t row_stride(size_t dim) {
  return (dim + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}

struct CodeRows {
  const uint8_t* codes;
  const int32_t* norms;  // squared
  uint32_t stride;       // bytes from one row to the next: row_stride(dim)
};

// At most kTileQueries rows of a batch, each to be compared with rows of the same batch: the
// leaders of its group, or its leaf's own rows.
struct QueryTile {
  uint32_t query_first;
  uint32_t query_count;
  uint32_t row_first;
  uint32_t row_count;
};
inline constexpr uint32_t kTileQueries = 64;

// Rows of a batch: `count` candidates in ascending order of id, then the point itself.
struct PruneNode {
  uint32_t first;
  uint32_t count;
};
inline constexpr uint32_t kPruneCandidatesMax = 256;  // others are pruned on the processor
inline constexpr uint32_t kPruneDegreeMax = 128;

struct PruneRule {
  uint32_t max_degree;
  uint32_t alpha_1000;
  bool fill;
};

}  // namespace roxanne::accel
