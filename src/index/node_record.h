// Where things lie in a node's record: the vector, then all about its neighbours.
//
//   vector      row_bytes; under cosine its squared norm (float) follows
//   ids         max_degree x u32: neighbours' nodes; kNoNode where there are fewer
//   adds        max_degree x float, infinite where there is no neighbour
//   scales      max_degree x float
//   codes       a block of kernels::kNeighbourBlock neighbours after the other
//
// The vector, the ids and the codes begin at multiples of 64 bytes, as does the next record. The
// root has the last four parts, with entries for neighbours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/neighbour_codes.h"
#include "roxanne/types.h"

namespace roxanne::index {

inline constexpr uint32_t kNoNode = std::numeric_limits<uint32_t>::max();
inline constexpr size_t kLineBytes = 64;

constexpr size_t round_up_to_line(size_t bytes) {
  return (bytes + kLineBytes - 1) / kLineBytes * kLineBytes;
}

// The parts about neighbours.
struct LinksLayout {
  size_t degree = 0;  // a multiple of kernels::kNeighbourBlock
  size_t adds_offset = 0;
  size_t scales_offset = 0;
  size_t codes_offset = 0;
  size_t block_bytes = 0;  // codes of one block
  size_t bytes = 0;

  LinksLayout() = default;
  LinksLayout(size_t degree_in, size_t code_dim, size_t code_bits)
      : degree(degree_in),
        adds_offset(degree * sizeof(uint32_t)),
        scales_offset(adds_offset + degree * sizeof(float)),
        codes_offset(round_up_to_line(scales_offset + degree * sizeof(float))),
        block_bytes(code_bits * code_dim * kernels::kNeighbourBlock / 8),
        bytes(round_up_to_line(codes_offset + degree / kernels::kNeighbourBlock * block_bytes)) {}
};

struct RecordLayout {
  size_t row_bytes = 0;
  bool has_norm = false;
  size_t links_offset = 0;
  LinksLayout links;
  size_t bytes = 0;

  RecordLayout() = default;
  RecordLayout(size_t row_bytes_in, Metric metric, const LinksLayout& links_in)
      : row_bytes(row_bytes_in),
        has_norm(metric == Metric::kCosine),
        links_offset(round_up_to_line(norm_offset() + (has_norm ? sizeof(float) : 0))),
        links(links_in),
        bytes(links_offset + links.bytes) {}

  size_t norm_offset() const { return (row_bytes + 3) / 4 * 4; }
  float norm(const std::byte* record) const {
    return has_norm ? *reinterpret_cast<const float*>(record + norm_offset()) : 0;
  }
};

// The links of a node or of the root, in memory. `Byte` is std::byte or const std::byte.
template <typename Byte>
class LinksView {
 public:
  template <typename T>
  using Like = std::conditional_t<std::is_const_v<Byte>, const T, T>;

  LinksView(const LinksLayout& layout, Byte* data) : layout_(&layout), data_(data) {}

  Like<uint32_t>* ids() const { return reinterpret_cast<Like<uint32_t>*>(data_); }
  Like<float>* adds() const { return reinterpret_cast<Like<float>*>(data_ + layout_->adds_offset); }
  Like<float>* scales() const {
    return reinterpret_cast<Like<float>*>(data_ + layout_->scales_offset);
  }
  Like<uint8_t>* block(size_t number) const {
    return reinterpret_cast<Like<uint8_t>*>(data_ + layout_->codes_offset +
                                            number * layout_->block_bytes);
  }
  size_t block_count() const { return layout_->degree / kernels::kNeighbourBlock; }
  kernels::NeighbourBlock neighbours(size_t number) const {
    const size_t first = number * kernels::kNeighbourBlock;
    return {block(number), adds() + first, scales() + first};
  }

 private:
  const LinksLayout* layout_;
  Byte* data_;
};

}  // namespace roxanne::index
