// The out-edges of every node, at most max_degree each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"

namespace roxanne::graph {

// Different nodes may be written at once.
class Adjacency {
 public:
  Adjacency(size_t node_count, size_t max_degree)
      : max_degree_(max_degree),
        degrees_(node_count, 0),
        targets_(node_count * max_degree * sizeof(uint32_t)) {}

  size_t node_count() const { return degrees_.size(); }
  size_t max_degree() const { return max_degree_; }
  size_t degree(uint32_t node) const { return degrees_[node]; }

  std::span<const uint32_t> neighbours(uint32_t node) const { return {row(node), degrees_[node]}; }
  void set(uint32_t node, std::span<const uint32_t> neighbours) {
    std::copy(neighbours.begin(), neighbours.end(), row(node));
    degrees_[node] = static_cast<uint16_t>(neighbours.size());
  }
  // There must be room: degree(node) < max_degree().
  void append(uint32_t node, uint32_t neighbour) { row(node)[degrees_[node]++] = neighbour; }
  void replace(uint32_t node, size_t place, uint32_t neighbour) { row(node)[place] = neighbour; }

 private:
  uint32_t* row(uint32_t node) {
    return reinterpret_cast<uint32_t*>(targets_.data()) + node * max_degree_;
  }
  const uint32_t* row(uint32_t node) const {
    return reinterpret_cast<const uint32_t*>(targets_.data()) + node * max_degree_;
  }

  size_t max_degree_;
  std::vector<uint16_t> degrees_;
  base::AlignedBuffer targets_;
};

}  // namespace roxanne::graph
