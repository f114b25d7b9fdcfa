// Where things lie in a page of a disk graph, after the page store's header. A page has places for
// `nodes` nodes; the header's bitmap tells which are taken. Node numbers are
// page x nodes + place: a point's may change, its slot does not.
//
//   slots       nodes x u32
//   norms       nodes x float: squared norms, under cosine only
//   tags        nodes x u64, at a multiple of 8
//   neighbours  nodes x max_degree x u32: slots; kNoNode where there are fewer
//   rows        nodes x row_bytes, at a multiple of 16
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "index/node_record.h"
#include "roxanne/options.h"
#include "storage/page_format.h"

namespace roxanne::index {

struct NodePageLayout {
  static constexpr uint32_t kNodesMax = 64;  // bits in the header's bitmap
  // Small records want company; a page with fewer nodes than this grows, up to so many bytes.
  static constexpr uint32_t kNodesWanted = 4;
  static constexpr uint32_t kPageBytesWanted = 4 * base::kPageBytes;

  uint32_t page_bytes = 0;
  uint32_t nodes = 0;
  uint32_t max_degree = 0;
  size_t row_bytes = 0;
  bool has_norms = false;
  size_t slots_offset = 0;
  size_t norms_offset = 0;
  size_t tags_offset = 0;
  size_t neighbours_offset = 0;
  size_t rows_offset = 0;

  NodePageLayout() = default;
  // nodes is 0 where no page is large enough.
  NodePageLayout(const CollectionOptions& options, uint32_t max_degree_in);

  const std::byte* row(const std::byte* page, size_t place) const {
    return page + rows_offset + place * row_bytes;
  }
  uint32_t slot(const std::byte* page, size_t place) const {
    return reinterpret_cast<const uint32_t*>(page + slots_offset)[place];
  }
  uint64_t tag(const std::byte* page, size_t place) const {
    return reinterpret_cast<const uint64_t*>(page + tags_offset)[place];
  }
  // One a place; null where the metric needs none.
  const float* norms(const std::byte* page) const {
    return has_norms ? reinterpret_cast<const float*>(page + norms_offset) : nullptr;
  }
  const uint32_t* neighbours(const std::byte* page, size_t place) const {
    return reinterpret_cast<const uint32_t*>(page + neighbours_offset) + place * max_degree;
  }

 private:
  // Places things for so many nodes; the bytes taken.
  size_t place_all(uint32_t node_count);
};

inline size_t NodePageLayout::place_all(uint32_t node_count) {
  const auto round_up = [](size_t bytes, size_t to) { return (bytes + to - 1) / to * to; };
  nodes = node_count;
  slots_offset = storage::kPageHeaderBytes;
  norms_offset = slots_offset + nodes * sizeof(uint32_t);
  tags_offset = round_up(norms_offset + (has_norms ? nodes * sizeof(float) : 0), sizeof(uint64_t));
  neighbours_offset = tags_offset + nodes * sizeof(uint64_t);
  rows_offset = round_up(neighbours_offset + size_t{nodes} * max_degree * sizeof(uint32_t), 16);
  return rows_offset + nodes * row_bytes;
}

inline NodePageLayout::NodePageLayout(const CollectionOptions& options, uint32_t max_degree_in)
    : max_degree(max_degree_in),
      row_bytes(options.dim * scalar_bytes(options.type)),
      has_norms(options.metric == Metric::kCosine) {
  const auto fitting = [&](uint32_t bytes) {
    uint32_t count = kNodesMax;
    while (count > 0 && place_all(count) > bytes) --count;
    return count;
  };
  uint32_t bytes = base::kPageBytes;
  while (bytes < kPageBytesWanted && fitting(bytes) < kNodesWanted) bytes += base::kPageBytes;
  while (bytes < storage::kPageBytesMax && fitting(bytes) == 0) bytes += base::kPageBytes;
  page_bytes = bytes;
  place_all(fitting(bytes));
}

}  // namespace roxanne::index
