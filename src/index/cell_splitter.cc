#include "index/cell_splitter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "base/status_macros.h"
#include "index/cell_sorter.h"
#include "kernels/distance.h"

namespace roxanne::index {
namespace {

constexpr size_t kIterations = 8;
// Either half has at least one part in so many of the pages.
constexpr size_t kLeastShare = 4;

}  // namespace

CellSplitter::CellSplitter(DiskIndex& index, PageFetcher& fetcher)
    : index_(index), graph_(index.graph()), fetcher_(fetcher), pages_(index.graph()) {}

bool CellSplitter::is_too_large(uint32_t cell) const {
  const std::vector<uint32_t>& pages = graph_.cell_pages[cell];
  constexpr size_t kRowsMost = 2 * CellSorter::kCellRows;
  if (pages.size() < 2 * kLeastShare || pages.size() * graph_.layout.nodes <= kRowsMost) return false;
  size_t rows = 0;
  for (const uint32_t page : pages) {
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      rows += graph_.is_vacant(page * graph_.layout.nodes + place) ? 0 : 1;
    }
  }
  return rows > kRowsMost;
}

Result<bool> CellSplitter::split(uint32_t cell) {
  ROX_RETURN_IF_ERROR(load(cell));
  if (!divide()) return false;
  publish(cell);
  return true;
}

Status CellSplitter::load(uint32_t cell) {
  pages_.clear();
  numbers_ = graph_.cell_pages[cell];
  ROX_RETURN_IF_ERROR(fetcher_.fetch(numbers_, pages_));
  const CollectionOptions& options = graph_.shape.options;
  points_.clear();
  places_.clear();
  offsets_.clear();
  means_.assign(numbers_.size() * options.dim, 0);
  counts_.assign(numbers_.size(), 0);
  for (uint32_t i = 0; i < numbers_.size(); ++i) {
    const PageEdit& page = *pages_.find(numbers_[i]);
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (!page.has(place)) continue;
      points_.push_back({page.node(place), i});
      places_.resize(points_.size() * options.dim);
      offsets_.push_back(0);
      float* at = places_.data() + (points_.size() - 1) * options.dim;
      graph_.space.map_rows(VectorView(options.type, page.row(place), options.dim), at,
                            &offsets_.back());
      for (size_t d = 0; d < options.dim; ++d) means_[i * options.dim + d] += at[d];
      ++counts_[i];
    }
    for (size_t d = 0; counts_[i] > 0 && d < options.dim; ++d) {
      means_[i * options.dim + d] /= counts_[i];
    }
  }
  return Status::ok();
}

// Two-means over the pages, each page staying whole.
bool CellSplitter::divide() {
  const size_t dim = graph_.shape.options.dim;
  const size_t count = numbers_.size();
  const auto distance = [&](const float* a, const float* b) {
    float value;
    kernels::kernels().l2_f32(a, b, 1, dim, &value);
    return value;
  };
  const auto mean = [&](size_t i) { return means_.data() + i * dim; };
  const auto farthest = [&](const float* from) {
    size_t best = 0;
    for (size_t i = 1; i < count; ++i) {
      if (distance(from, mean(i)) > distance(from, mean(best))) best = i;
    }
    return best;
  };
  const size_t left = farthest(mean(0));
  const size_t right = farthest(mean(left));
  if (!(distance(mean(left), mean(right)) > 0)) return false;
  centroids_[0].assign(mean(left), mean(left) + dim);
  centroids_[1].assign(mean(right), mean(right) + dim);
  is_right_.assign(count, false);
  std::vector<std::pair<float, size_t>> order(count);
  for (size_t iteration = 0; iteration < kIterations; ++iteration) {
    for (size_t i = 0; i < count; ++i) {
      order[i] = {distance(centroids_[0].data(), mean(i)) - distance(centroids_[1].data(), mean(i)),
                  i};
    }
    std::sort(order.begin(), order.end());
    const auto sign =
        std::find_if(order.begin(), order.end(), [](const auto& one) { return one.first > 0; });
    const size_t least = count / kLeastShare;
    const size_t kept =
        std::clamp(static_cast<size_t>(sign - order.begin()), least, count - least);
    for (size_t i = 0; i < count; ++i) is_right_[order[i].second] = i >= kept;
    for (const size_t side : {0, 1}) {
      std::fill(centroids_[side].begin(), centroids_[side].end(), 0.0f);
      double offsets = 0, points = 0;
      for (size_t p = 0; p < points_.size(); ++p) {
        if (is_right_[points_[p].page] != (side == 1)) continue;
        for (size_t d = 0; d < dim; ++d) centroids_[side][d] += places_[p * dim + d];
        offsets += offsets_[p];
        ++points;
      }
      if (points == 0) return false;
      for (float& value : centroids_[side]) value /= static_cast<float>(points);
      centroid_offsets_[side] = static_cast<float>(offsets / points);
    }
  }
  return true;
}

void CellSplitter::publish(uint32_t cell) {
  const size_t dim = graph_.shape.options.dim;
  const size_t code_bytes = graph_.code.code_bytes();
  // Centroids as the cells will give them: halves.
  Cells halves(dim);
  halves.add_group(centroids_[0].data());
  for (const size_t side : {0, 1}) {
    halves.add_cell(0, centroids_[side].data(), centroid_offsets_[side]);
    if (graph_.tuning.codes_residuals) {
      halves.centroid(static_cast<uint32_t>(side), centroids_[side].data());
    } else {
      std::fill(centroids_[side].begin(), centroids_[side].end(), 0.0f);
    }
  }
  std::vector<uint8_t> codes(points_.size() * code_bytes);
  std::vector<float> residual(dim);
  for (size_t p = 0; p < points_.size(); ++p) {
    const size_t side = is_right_[points_[p].page] ? 1 : 0;
    for (size_t d = 0; d < dim; ++d) residual[d] = places_[p * dim + d] - centroids_[side][d];
    const float offset = graph_.tuning.codes_residuals ? centroid_offsets_[side] : 0;
    graph_.code.encode(residual.data(), centroids_[side].data(), offsets_[p] - offset,
                       codes.data() + p * code_bytes);
  }
  const auto other = static_cast<uint32_t>(graph_.cells.cell_count());
  {
    const std::lock_guard lock(index_.gate());
    // The same halves again: rounding them once more changes nothing.
    std::vector<float> centroid(dim);
    halves.centroid(0, centroid.data());
    graph_.cells.move_cell(cell, centroid.data(), centroid_offsets_[0]);
    halves.centroid(1, centroid.data());
    graph_.cells.add_cell(graph_.cells.group_of(cell), centroid.data(), centroid_offsets_[1]);
    graph_.shape.cell_count = other + 1;
    graph_.cell_pages.emplace_back();
    graph_.cell_pages[cell].clear();
    for (size_t i = 0; i < numbers_.size(); ++i) {
      const uint32_t to = is_right_[i] ? other : cell;
      graph_.cell_pages[to].push_back(numbers_[i]);
      graph_.page_cells[numbers_[i]] = to;
    }
    for (size_t p = 0; p < points_.size(); ++p) {
      std::memcpy(graph_.codes.data() + size_t{points_[p].node} * code_bytes,
                  codes.data() + p * code_bytes, code_bytes);
    }
  }
  index_.note_changed(std::nullopt, index_.codes_bytes_on_disk());
}

}  // namespace roxanne::index
