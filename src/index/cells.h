// The cells of a disk graph: small clusters whose points lie side by side in pages and codes, and
// the way to those nearest to a query, through groups of cells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"

namespace roxanne::index {

struct NearCell {
  float distance;  // squared, of the query from the centroid
  uint32_t cell;
  bool operator<(const NearCell& other) const {
    return distance != other.distance ? distance < other.distance : cell < other.cell;
  }
};

// Centroids are halves: 2 bytes a coordinate are kept for each cell.
class Cells {
 public:
  Cells() = default;
  explicit Cells(size_t dim) : dim_(dim) {}

  // While a graph is built: groups in order, each followed by its cells. `offset` is the mean of
  // what is added to the distances of the cell's points (SearchSpace::map_rows).
  void add_group(const float* centroid);
  void add_cell(const float* centroid, float offset);
  // What a file keeps.
  struct Parts {
    std::vector<uint16_t> group_centroids;  // group_count x dim
    std::vector<uint32_t> group_starts;     // first cell of each group, and the end
    std::vector<uint16_t> centroids;        // cell_count x dim
    std::vector<float> offsets;             // cell_count
  };
  const Parts& parts() const { return parts_; }
  // Parts that fit each other.
  Cells(size_t dim, Parts parts) : dim_(dim), parts_(std::move(parts)) {}

  size_t dim() const { return dim_; }
  size_t cell_count() const { return parts_.offsets.size(); }
  size_t group_count() const {
    return parts_.group_starts.empty() ? 0 : parts_.group_starts.size() - 1;
  }
  uint64_t bytes() const;

  // A centroid as floats, as distances see it.
  void centroid(uint32_t cell, float* out) const;
  float offset(uint32_t cell) const { return parts_.offsets[cell]; }
  // Squared, without the offset.
  float distance(const float* query, uint32_t cell) const;

  // Scratch of one thread.
  struct Scratch {
    std::vector<float> distances;
    std::vector<NearCell> groups;
  };
  // About `wanted` nearest cells or more, nearest first, offsets included; all there are where
  // `wanted` is cell_count(). Looks only into the groups nearest to the query.
  void nearest(const float* query, size_t wanted, Scratch& scratch,
               std::vector<NearCell>& found) const;

 private:
  size_t dim_ = 0;
  Parts parts_;
};

}  // namespace roxanne::index
