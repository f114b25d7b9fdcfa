// The cells of a disk graph: small clusters whose points lie side by side in pages and codes, and
// the way to those nearest to a query, through groups of cells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace roxanne::index {

struct NearCell {
  float distance;  // squared, of the query from the centroid
  uint32_t cell;
  bool operator<(const NearCell& other) const {
    return distance != other.distance ? distance < other.distance : cell < other.cell;
  }
};

// Centroids are halves: 2 bytes a coordinate are kept for each cell. Cells are numbered in the
// order in which they came; they may come, and move, while the graph lives.
class Cells {
 public:
  Cells() = default;
  explicit Cells(size_t dim) : dim_(dim) {}

  // A new, empty group.
  void add_group(const float* centroid);
  // A new cell of a group. `offset` is the mean of what is added to the distances of the cell's
  // points (SearchSpace::map_rows).
  void add_cell(uint32_t group, const float* centroid, float offset);
  // A cell's points have another mean now.
  void move_cell(uint32_t cell, const float* centroid, float offset);

  // What a file keeps.
  struct Parts {
    std::vector<uint16_t> group_centroids;  // group_count x dim
    std::vector<uint32_t> cell_groups;      // cell_count
    std::vector<uint16_t> centroids;        // cell_count x dim
    std::vector<float> offsets;             // cell_count
  };
  Parts parts() const;
  // Parts that fit each other.
  Cells(size_t dim, const Parts& parts);

  size_t dim() const { return dim_; }
  size_t cell_count() const { return places_.size(); }
  size_t group_count() const { return groups_.size(); }
  uint32_t group_of(uint32_t cell) const { return places_[cell].group; }
  uint64_t bytes() const;

  // A centroid as it is kept: dim() of them.
  const uint16_t* centroid_halves(uint32_t cell) const {
    return groups_[places_[cell].group].centroids.data() + places_[cell].index * dim_;
  }
  void prefetch_centroid(uint32_t cell) const {
    constexpr size_t kLineHalves = 32;
    const uint16_t* const halves = centroid_halves(cell);
    for (size_t i = 0; i < dim_; i += kLineHalves) __builtin_prefetch(halves + i);
  }
  // A centroid as floats, as distances see it.
  void centroid(uint32_t cell, float* out) const;
  float offset(uint32_t cell) const {
    return groups_[places_[cell].group].offsets[places_[cell].index];
  }
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
  // Cells of a group lie together: a query compares with all of them in one go.
  struct Group {
    std::vector<uint16_t> centroids;  // cells.size() x dim
    std::vector<float> offsets;
    std::vector<uint32_t> cells;
  };
  struct Place {
    uint32_t group;
    uint32_t index;
  };

  size_t dim_ = 0;
  std::vector<uint16_t> group_centroids_;
  std::vector<Group> groups_;
  std::vector<Place> places_;  // by cell
};

}  // namespace roxanne::index
