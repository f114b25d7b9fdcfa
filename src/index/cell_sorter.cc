#include "index/cell_sorter.h"

#include <algorithm>

#include "quantize/kmeans.h"

namespace roxanne::index {
namespace {

// Clusters are many and small: a few rows of each place its centroid well enough, since it is moved
// to the mean of all afterwards.
constexpr size_t kRowsPerCluster = 32;
constexpr size_t kIterations = 6;

}  // namespace

SortedGroup CellSorter::sort(MatrixView rows, uint64_t seed) {
  const size_t dim = rows.dim();
  places_.resize(rows.rows() * dim);
  offsets_.resize(rows.rows());
  space_.map_rows(rows, places_.data(), offsets_.data());
  const size_t cluster_count = std::max<size_t>(1, rows.rows() / kCellRows);
  assign(cluster_count, seed);
  std::vector<std::vector<uint32_t>> clusters(cluster_count);
  for (uint32_t i = 0; i < rows.rows(); ++i) clusters[cells_[i]].push_back(i);
  SortedGroup group;
  for (const std::vector<uint32_t>& cluster : clusters) {
    if (cluster.empty()) continue;
    // Many equal rows end up in one cluster, which is cut where it happens to be.
    const size_t pieces = (cluster.size() + kCellRowsMost - 1) / kCellRowsMost;
    for (size_t p = 0; p < pieces; ++p) {
      const auto begin = cluster.begin() + static_cast<ptrdiff_t>(p * cluster.size() / pieces);
      const auto end = cluster.begin() + static_cast<ptrdiff_t>((p + 1) * cluster.size() / pieces);
      add_cell({begin, end}, group);
    }
  }
  return group;
}

void CellSorter::assign(size_t cluster_count, uint64_t seed) {
  const size_t dim = space_.dim();
  const size_t row_count = offsets_.size();
  cells_.assign(row_count, 0);
  if (cluster_count == 1) return;
  const std::vector<float> centroids = quantize::kmeans(places_.data(), row_count, dim,
                                                        {.cluster_count = cluster_count,
                                                         .iteration_max = kIterations,
                                                         .points_per_cluster_max = kRowsPerCluster,
                                                         .seed = seed});
  quantize::NearestCentroid(centroids.data(), cluster_count, dim)
      .assign(places_.data(), row_count, cells_.data());
}

void CellSorter::add_cell(const std::vector<uint32_t>& members, SortedGroup& group) {
  const size_t dim = space_.dim();
  members_.resize(members.size() * dim);
  std::vector<double> sums(dim);
  double offset = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    const float* place = places_.data() + members[i] * dim;
    std::copy_n(place, dim, members_.data() + i * dim);
    for (size_t d = 0; d < dim; ++d) sums[d] += place[d];
    offset += offsets_[members[i]];
  }
  const auto count = static_cast<double>(members.size());
  for (size_t d = 0; d < dim; ++d) group.centroids.push_back(static_cast<float>(sums[d] / count));
  group.offsets.push_back(static_cast<float>(offset / count));
  group.cell_sizes.push_back(static_cast<uint32_t>(members.size()));
  if (!packs_cells_) {
    group.order.insert(group.order.end(), members.begin(), members.end());
    return;
  }
  for (const uint32_t i : packer_.pack(members_.data(), members.size(), dim, page_rows_)) {
    group.order.push_back(members[i]);
  }
}

}  // namespace roxanne::index
