// The parts of a graph that is searched in memory, as they lie there and in its file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "index/node_record.h"
#include "quantize/subspace.h"
#include "roxanne/options.h"

namespace roxanne::index {

// Numbers that fix every size.
struct GraphShape {
  CollectionOptions options;  // key_type does not matter
  uint32_t node_count = 0;
  uint32_t max_degree = 0;
  uint32_t entry_count = 0;  // of the root, a multiple of kernels::kNeighbourBlock
  uint32_t code_dim = 0;
  uint32_t code_bits = 0;

  size_t row_bytes() const { return options.dim * scalar_bytes(options.type); }
  RecordLayout record() const {
    return {row_bytes(), options.metric, LinksLayout(max_degree, code_dim, code_bits)};
  }
  LinksLayout root() const { return {entry_count, code_dim, code_bits}; }
};

// search_list_size for recall@k 0.95, as found when the graph was built, at two k.
struct ListSizes {
  static constexpr size_t kSmallK = 10;
  static constexpr size_t kLargeK = 100;
  uint32_t at_small_k = 0;
  uint32_t at_large_k = 0;

  // On the line through the two.
  size_t for_k(size_t k) const {
    const double slope = (static_cast<double>(at_large_k) - at_small_k) / (kLargeK - kSmallK);
    const double size = at_small_k + slope * (static_cast<double>(k) - kSmallK);
    const double least = static_cast<double>(k <= kSmallK ? kSmallK : k);
    return static_cast<size_t>(size > least ? size : least);
  }
};

struct ResidentGraph {
  GraphShape shape;
  ListSizes list_sizes;
  // Whether searches order nodes by codes; else by exact distances, which is slower but always
  // works: codes say nothing where neighbours are far nearer to each other than to the origin.
  bool uses_codes = true;
  std::vector<float> origin;  // what is taken from a vector before it is projected
  quantize::Subspace subspace;
  base::AlignedBuffer root;     // links to the entries, as seen from the origin
  std::vector<uint32_t> slots;  // one a node, ascending
  std::vector<uint64_t> tags;   // one a node
  base::AlignedBuffer records;  // one a node

  RecordLayout record_layout;  // shape.record() and shape.root(), kept
  LinksLayout root_layout;

  const std::byte* record(uint32_t node) const {
    return records.data() + static_cast<size_t>(node) * record_layout.bytes;
  }
  LinksView<const std::byte> links(const std::byte* node_record) const {
    return {record_layout.links, node_record + record_layout.links_offset};
  }
  LinksView<const std::byte> root_links() const { return {root_layout, root.data()}; }
};

}  // namespace roxanne::index
