#include "index/cell_plan.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "index/cell_sorter.h"
#include "kernels/distance.h"

namespace roxanne::index {
namespace {

constexpr size_t kRowsMost = 3 * CellSorter::kCellRows / 2;
constexpr size_t kIterations = 8;
// Either half has at least one point in so many.
constexpr size_t kLeastShare = 4;
// A cell that is not cut keeps its centroid, and its points their codes, until the mean of its
// points is farther from there than such a share of their mean squared distance.
constexpr float kDriftMost = 0.01f;
// A place in so many stays vacant, for points to come.
constexpr uint32_t kVacantShare = 12;

}  // namespace

size_t CellPlan::rows_most() { return kRowsMost; }

void CellPlan::make(uint32_t cell, PagesUnderWay& pages) {
  cell_ = cell;
  pages_.clear();
  is_moved_ = false;
  load(pages);
  for (auto& half : halves_) half.clear();
  if (points_.empty()) return;
  divide();
  fill_pages();
  is_moved_ = is_cut() || has_drifted();
  codes_.resize(points_.size() * graph_.code.code_bytes());
  if (is_moved_) {
    encode();
  } else {
    keep_codes();
  }
}

void CellPlan::load(PagesUnderWay& pages) {
  old_pages_ = graph_.cell_pages[cell_];
  std::sort(old_pages_.begin(), old_pages_.end());
  const CollectionOptions& options = graph_.shape.options;
  points_.clear();
  for (const uint32_t number : old_pages_) {
    PageEdit* const page = pages.find(number);
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (page->has(place)) points_.push_back({page, place});
    }
  }
  places_.resize(points_.size() * options.dim);
  offsets_.resize(points_.size());
  std::this_thread::yield();  // to searches, here and below
  for (size_t p = 0; p < points_.size(); ++p) {
    graph_.space.map_rows(
        VectorView(options.type, points_[p].page->row(points_[p].place), options.dim),
        places_.data() + p * options.dim, &offsets_[p]);
  }
}

// Two-means, where there are too many; else all are in the first half.
void CellPlan::divide() {
  const size_t dim = graph_.shape.options.dim;
  const size_t count = points_.size();
  const auto place = [&](size_t p) { return places_.data() + p * dim; };
  halves_[0].resize(count);
  for (uint32_t p = 0; p < count; ++p) halves_[0][p] = p;
  halves_[1].clear();
  centre(0);
  if (count <= kRowsMost) return;
  std::vector<float> distances(count);
  const auto farthest = [&](const float* from) {
    kernels::kernels().l2_f32(from, places_.data(), count, dim, distances.data());
    return static_cast<size_t>(std::max_element(distances.begin(), distances.end()) -
                               distances.begin());
  };
  const size_t left = farthest(place(0));
  const size_t right = farthest(place(left));
  if (!(distances[right] > 0)) return;  // all the same
  centroids_[0].assign(place(left), place(left) + dim);
  centroids_[1].assign(place(right), place(right) + dim);
  std::vector<float> to_right(count);
  std::vector<std::pair<float, uint32_t>> order(count);
  for (size_t iteration = 0; iteration < kIterations; ++iteration) {
    std::this_thread::yield();
    kernels::kernels().l2_f32(centroids_[0].data(), places_.data(), count, dim, distances.data());
    kernels::kernels().l2_f32(centroids_[1].data(), places_.data(), count, dim, to_right.data());
    for (uint32_t p = 0; p < count; ++p) order[p] = {distances[p] - to_right[p], p};
    std::sort(order.begin(), order.end());
    const auto sign =
        std::find_if(order.begin(), order.end(), [](const auto& one) { return one.first > 0; });
    const size_t least = count / kLeastShare;
    const size_t kept = std::clamp(static_cast<size_t>(sign - order.begin()), least, count - least);
    for (auto& half : halves_) half.clear();
    for (size_t i = 0; i < count; ++i) halves_[i < kept ? 0 : 1].push_back(order[i].second);
    centre(0);
    centre(1);
  }
}

void CellPlan::centre(size_t half) {
  const size_t dim = graph_.shape.options.dim;
  centroids_[half].assign(dim, 0);
  double offsets = 0;
  for (const uint32_t p : halves_[half]) {
    for (size_t d = 0; d < dim; ++d) centroids_[half][d] += places_[p * dim + d];
    offsets += offsets_[p];
  }
  const auto count = static_cast<float>(halves_[half].size());
  for (float& value : centroids_[half]) value /= count;
  centroid_offsets_[half] = static_cast<float>(offsets / count);
}

void CellPlan::fill_pages() {
  const size_t dim = graph_.shape.options.dim;
  const uint32_t vacant = graph_.layout.nodes / kVacantShare;
  const uint32_t together = std::max(1u, graph_.layout.nodes - vacant);
  std::vector<float> members;
  for (size_t half = 0; half < 2; ++half) {
    const std::vector<uint32_t>& points = halves_[half];
    members.resize(points.size() * dim);
    for (size_t i = 0; i < points.size(); ++i) {
      std::copy_n(places_.data() + points[i] * dim, dim, members.data() + i * dim);
    }
    const auto& order = packer_.pack(members.data(), points.size(), dim, together);
    for (size_t first = 0; first < points.size(); first += together) {
      Page& page = pages_.emplace_back(Page{.half = half, .points = {}});
      for (size_t i = first; i < std::min(points.size(), first + together); ++i) {
        page.points.push_back(points[order[i]]);
      }
    }
  }
}

// Of a cell that is not cut.
bool CellPlan::has_drifted() const {
  const size_t dim = graph_.shape.options.dim;
  std::vector<float> old(dim);
  graph_.cells.centroid(cell_, old.data());
  const auto squared = [&](const float* a, const float* b) {
    float sum = 0;
    kernels::kernels().l2_f32(a, b, 1, dim, &sum);
    return sum;
  };
  double spread = 0;
  for (size_t p = 0; p < points_.size(); ++p) {
    spread += squared(centroids_[0].data(), places_.data() + p * dim);
  }
  return squared(centroids_[0].data(), old.data()) >
         kDriftMost * spread / static_cast<double>(points_.size());
}

// Codes are of what the centroids leave as the cells will give them: as halves.
void CellPlan::encode() {
  const size_t dim = graph_.shape.options.dim;
  std::vector<float> residual(dim), rounded(dim), decoded(dim);
  for (size_t half = 0; half < 2 && !halves_[half].empty(); ++half) {
    Cells halves(dim);
    halves.add_group(centroids_[half].data());
    halves.add_cell(0, centroids_[half].data(), 0);
    rounded.assign(dim, 0);
    if (graph_.tuning.codes_residuals) halves.centroid(0, rounded.data());
    const float offset = graph_.tuning.codes_residuals ? centroid_offsets_[half] : 0;
    for (const uint32_t p : halves_[half]) {
      if (p % 8 == 0) std::this_thread::yield();
      for (size_t d = 0; d < dim; ++d) residual[d] = places_[p * dim + d] - rounded[d];
      graph_.code.encode(residual.data(), rounded.data(), offsets_[p] - offset,
                         codes_.data() + p * graph_.code.code_bytes(), decoded.data());
    }
  }
}

void CellPlan::keep_codes() {
  const size_t code_bytes = graph_.code.code_bytes();
  for (size_t p = 0; p < points_.size(); ++p) {
    const uint8_t* const code = points_[p].page->record(points_[p].place).code;
    std::memcpy(codes_.data() + p * code_bytes, code, code_bytes);
  }
}

}  // namespace roxanne::index
