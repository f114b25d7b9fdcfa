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

void append_halves(const float* values, size_t count, std::vector<uint16_t>& to) {
  const size_t at = to.size();
  to.resize(at + count);
  std::vector<float> clamped(count);
  for (size_t i = 0; i < count; ++i) clamped[i] = std::clamp(values[i], -kHalfMost, kHalfMost);
  kernels::kernels().f32_to_f16(clamped.data(), count, to.data() + at);
}

}  // namespace

void Cells::add_group(const float* centroid) {
  append_halves(centroid, dim_, parts_.group_centroids);
  if (parts_.group_starts.empty()) parts_.group_starts.push_back(0);
  parts_.group_starts.push_back(static_cast<uint32_t>(cell_count()));
}

void Cells::add_cell(const float* centroid, float offset) {
  append_halves(centroid, dim_, parts_.centroids);
  parts_.offsets.push_back(offset);
  ++parts_.group_starts.back();
}

uint64_t Cells::bytes() const {
  return (parts_.group_centroids.size() + parts_.centroids.size()) * sizeof(uint16_t) +
         parts_.group_starts.size() * sizeof(uint32_t) + parts_.offsets.size() * sizeof(float);
}

void Cells::centroid(uint32_t cell, float* out) const {
  kernels::kernels().f16_to_f32(parts_.centroids.data() + cell * dim_, dim_, out);
}

float Cells::distance(const float* query, uint32_t cell) const {
  float distance;
  kernels::kernels().l2_f16(query, parts_.centroids.data() + cell * dim_, 1, dim_, &distance);
  return distance;
}

void Cells::nearest(const float* query, size_t wanted, Scratch& scratch,
                    std::vector<NearCell>& found) const {
  const kernels::KernelTable& kernels = kernels::kernels();
  scratch.distances.resize(group_count());
  kernels.l2_f16(query, parts_.group_centroids.data(), group_count(), dim_,
                 scratch.distances.data());
  scratch.groups.clear();
  for (uint32_t g = 0; g < group_count(); ++g) scratch.groups.push_back({scratch.distances[g], g});
  std::sort(scratch.groups.begin(), scratch.groups.end());
  found.clear();
  for (size_t i = 0; i < scratch.groups.size(); ++i) {
    if (i >= kGroupsLeast && found.size() >= kCellsFactor * wanted) break;
    const uint32_t first = parts_.group_starts[scratch.groups[i].cell];
    const uint32_t end = parts_.group_starts[scratch.groups[i].cell + 1];
    scratch.distances.resize(end - first);
    kernels.l2_f16(query, parts_.centroids.data() + first * dim_, end - first, dim_,
                   scratch.distances.data());
    for (uint32_t cell = first; cell < end; ++cell) {
      found.push_back({scratch.distances[cell - first] + parts_.offsets[cell], cell});
    }
  }
  const size_t kept = std::min(wanted, found.size());
  std::partial_sort(found.begin(), found.begin() + static_cast<ptrdiff_t>(kept), found.end());
  found.resize(kept);
}

}  // namespace roxanne::index
