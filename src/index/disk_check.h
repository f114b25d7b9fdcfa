// Checks a whole disk graph: its pages, its tables, and each against the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "index/disk_index.h"
#include "index/exact_distance.h"
#include "index/row_residual.h"

namespace roxanne::index {

// While it runs nobody changes the index.
class DiskCheck {
 public:
  // All outlive it; see DiskIndex::verify().
  DiskCheck(const DiskIndex& index, const DiskIndex::RowOf& row_of, const DiskIndex::TagOf& tag_of,
            const DiskIndex::Damaged& damaged);
  void run();

 private:
  bool report(const Status& status);
  bool report(const std::string& what);

  // Pages are in one cell each, cells have all pages that there are, and nothing else.
  void check_cells();
  // One page's nodes; `bytes` are whole.
  void check_page(uint32_t page, const std::byte* bytes);
  Status check_node(uint32_t page, uint32_t place, const std::byte* bytes);
  Status check_edges(const uint32_t* neighbours, uint32_t slot);
  Status check_against_row(uint32_t slot, uint32_t place, const std::byte* bytes) const;
  Status check_code(uint32_t node, uint32_t cell, const std::byte* row);
  void check_counts();

  const DiskIndex& index_;
  const DiskGraph& graph_;
  const DiskIndex::RowOf& row_of_;
  const DiskIndex::TagOf& tag_of_;
  const DiskIndex::Damaged& damaged_;
  const ExactDistance exact_;
  bool goes_on_ = true;
  uint64_t nodes_ = 0;
  // Of one node.
  std::vector<uint32_t> targets_;
  RowResidual row_residual_;
  std::vector<float> centroid_, decoded_;
  std::vector<uint8_t> code_;
};

}  // namespace roxanne::index
