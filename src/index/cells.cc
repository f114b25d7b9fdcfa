#include "index/cells.h"

#include <algorithm>

#include "kernels/distance.h"

namespace roxanne::index {
namespace {

// Groups that are looked into at the least, and how many times more cells than wanted must lie in
// them: a cell's group need not be among the few nearest.
constexpr size_t kGroupsLeast = 6;
constexpr size_t kCellsFactor = 6;

// Beyond what halves hold lie points that are thousands of times as far out as others are.
constexpr float kHalfMost = 65504;

void write_halves(const float* values, size_t count, uint16_t* to) {
  std::vector<float> clamped(count);
  for (size_t i = 0; i < count; ++i) clamped[i] = std::clamp(values[i], -kHalfMost, kHalfMost);
  kernels::kernels().f32_to_f16(clamped.data(), count, to);
}

uint16_t* append_row(std::vector<uint16_t>& rows, size_t dim) {
  rows.resize(rows.size() + dim);
  return rows.data() + rows.size() - dim;
}

}  // namespace

void Cells::add_group(const float* centroid) {
  write_halves(centroid, dim_, append_row(group_centroids_, dim_));
  groups_.emplace_back();
}

void Cells::add_cell(uint32_t group, const float* centroid, float offset) {
  Group& to = groups_[group];
  places_.push_back({group, static_cast<uint32_t>(to.cells.size())});
  to.cells.push_back(static_cast<uint32_t>(places_.size() - 1));
  to.offsets.push_back(offset);
  write_halves(centroid, dim_, append_row(to.centroids, dim_));
}

void Cells::move_cell(uint32_t cell, const float* centroid, float offset) {
  const Place place = places_[cell];
  Group& group = groups_[place.group];
  write_halves(centroid, dim_, group.centroids.data() + place.index * dim_);
  group.offsets[place.index] = offset;
}

Cells::Parts Cells::parts() const {
  Parts parts;
  parts.group_centroids = group_centroids_;
  parts.centroids.reserve(cell_count() * dim_);
  for (uint32_t cell = 0; cell < cell_count(); ++cell) {
    parts.cell_groups.push_back(places_[cell].group);
    parts.centroids.insert(parts.centroids.end(), centroid_halves(cell),
                           centroid_halves(cell) + dim_);
    parts.offsets.push_back(offset(cell));
  }
  return parts;
}

Cells::Cells(size_t dim, const Parts& parts) : dim_(dim), group_centroids_(parts.group_centroids) {
  groups_.resize(group_centroids_.size() / dim);
  for (size_t cell = 0; cell < parts.cell_groups.size(); ++cell) {
    const uint32_t group = parts.cell_groups[cell];
    Group& to = groups_[group];
    places_.push_back({group, static_cast<uint32_t>(to.cells.size())});
    to.cells.push_back(static_cast<uint32_t>(cell));
    to.offsets.push_back(parts.offsets[cell]);
    const uint16_t* centroid = parts.centroids.data() + cell * dim;
    to.centroids.insert(to.centroids.end(), centroid, centroid + dim);
  }
}

uint64_t Cells::bytes() const {
  uint64_t bytes = group_centroids_.capacity() * sizeof(uint16_t) +
                   places_.capacity() * sizeof(Place) + groups_.capacity() * sizeof(Group);
  for (const Group& group : groups_) {
    bytes += group.centroids.capacity() * sizeof(uint16_t) +
             group.cells.capacity() * (sizeof(uint32_t) + sizeof(float));
  }
  return bytes;
}

void Cells::centroid(uint32_t cell, float* out) const {
  kernels::kernels().f16_to_f32(centroid_halves(cell), dim_, out);
}

float Cells::distance(const float* query, uint32_t cell) const {
  float distance;
  kernels::kernels().l2_f16(query, centroid_halves(cell), 1, dim_, &distance);
  return distance;
}

void Cells::nearest(const float* query, size_t wanted, Scratch& scratch,
                    std::vector<NearCell>& found) const {
  const kernels::KernelTable& kernels = kernels::kernels();
  scratch.distances.resize(group_count());
  kernels.l2_f16(query, group_centroids_.data(), group_count(), dim_, scratch.distances.data());
  scratch.groups.clear();
  for (uint32_t g = 0; g < group_count(); ++g) scratch.groups.push_back({scratch.distances[g], g});
  std::sort(scratch.groups.begin(), scratch.groups.end());
  found.clear();
  for (size_t i = 0; i < scratch.groups.size(); ++i) {
    if (i >= kGroupsLeast && found.size() >= kCellsFactor * wanted) break;
    const Group& group = groups_[scratch.groups[i].cell];
    scratch.distances.resize(group.cells.size());
    kernels.l2_f16(query, group.centroids.data(), group.cells.size(), dim_,
                   scratch.distances.data());
    for (size_t c = 0; c < group.cells.size(); ++c) {
      found.push_back({scratch.distances[c] + group.offsets[c], group.cells[c]});
    }
  }
  const size_t kept = std::min(wanted, found.size());
  std::partial_sort(found.begin(), found.begin() + static_cast<ptrdiff_t>(kept), found.end());
  found.resize(kept);
}

}  // namespace roxanne::index
