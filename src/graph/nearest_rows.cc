#include "graph/nearest_rows.h"

#include <algorithm>

#include "base/status_macros.h"

namespace roxanne::graph {
namespace {

// What padding rows are given for a norm: farther than any row, far from overflow.
constexpr int32_t kFarNorm = std::numeric_limits<int32_t>::max();

void reserve(base::AlignedBuffer& buffer, size_t bytes) {
  if (buffer.size() < bytes) buffer = base::AlignedBuffer(bytes + bytes / 4);
}

// The k-th smallest of the 16.
int32_t kth_smallest(int32_t* lanes, size_t k) {
  if (k <= 3) {
    int32_t first = kFarNorm, second = kFarNorm, third = kFarNorm;
    for (size_t i = 0; i < NearestRows::kMostNeighbours; ++i) {
      const int32_t value = lanes[i];
      third = std::min(third, std::max(second, value));
      second = std::min(second, std::max(first, value));
      first = std::min(first, value);
    }
    return k == 1 ? first : k == 2 ? second : third;
  }
  std::nth_element(lanes, lanes + (k - 1), lanes + NearestRows::kMostNeighbours);
  return lanes[k - 1];
}

}  // namespace

void NearestRows::set_rows(const PointBlock& rows) {
  const auto& panel = *kernels_.panel;
  row_count_ = rows.rows();
  dim_ = rows.dim();
  const size_t panel_count = (row_count_ + panel.panel_rows - 1) / panel.panel_rows;
  padded_rows_ = panel_count * panel.panel_rows;
  const size_t panel_bytes = panel.panel_bytes(dim_);
  reserve(panels_, panel_count * panel_bytes);
  reserve(norms_, padded_rows_ * sizeof(int32_t));
  for (size_t p = 0; p < panel_count; ++p) {
    const size_t first = p * panel.panel_rows;
    panel.pack(rows.row(first), std::min(panel.panel_rows, row_count_ - first), dim_,
               panels_.data() + p * panel_bytes);
  }
  auto* norms = reinterpret_cast<int32_t*>(norms_.data());
  std::copy_n(rows.norms().begin(), row_count_, norms);
  std::fill(norms + row_count_, norms + padded_rows_, kFarNorm);
  chosen_.resize(padded_rows_);
}

void NearestRows::find(const PointBlock& queries, const Request& request,
                       std::vector<NearRow>& found) {
  const auto& panel = *kernels_.panel;
  const size_t panel_bytes = panel.panel_bytes(dim_);
  ROX_ASSERT(request.k > 0);
  ROX_ASSERT(request.k <= kMostNeighbours);
  found.resize(queries.rows() * request.k);
  reserve(dots_, kernels::kQueryGroup * padded_rows_ * sizeof(int32_t));
  reserve(prepared_, panel.prepared_bytes(kernels::kQueryGroup, dim_));
  auto* dots = reinterpret_cast<int32_t*>(dots_.data());
  for (size_t first = 0; first < queries.rows(); first += kernels::kQueryGroup) {
    const size_t count = std::min(kernels::kQueryGroup, queries.rows() - first);
    panel.prepare(queries.row(first), count, dim_, prepared_.data());
    for (size_t r = 0, p = 0; r < padded_rows_; r += panel.panel_rows, ++p) {
      panel.dot(panels_.data() + p * panel_bytes, prepared_.data(), 0, count, dim_, dots + r,
                padded_rows_);
    }
    for (size_t q = 0; q < count; ++q) {
      int32_t* row = dots + q * padded_rows_;
      // Half of the least number: as far as a row can be without overflow.
      if (request.skip_self) row[first + q] = -(kFarNorm / 2 - queries.norms()[first + q] / 2);
      take_nearest(row, queries.norms()[first + q], request.k,
                   found.data() + (first + q) * request.k);
    }
  }
  distance_computations_ += queries.rows() * row_count_;
}

void NearestRows::take_nearest(const int32_t* dots, int32_t query_norm, size_t k, NearRow* found) {
  const kernels::KernelTable& table = kernels::kernels();
  const auto* norms = reinterpret_cast<const int32_t*>(norms_.data());
  alignas(64) int32_t lanes[kMostNeighbours];
  table.lane_minima_l2_int(dots, norms, padded_rows_, lanes);
  const int32_t bound = kth_smallest(lanes, k);
  const size_t count = table.select_l2_int(dots, norms, padded_rows_, bound, chosen_.data());
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t r = chosen_[i];
    if (r >= row_count_) break;
    const NearRow candidate{norms[r] - 2 * dots[r], r};
    if (candidate.distance >= kFarNorm - 1) continue;  // the query itself
    if (size == k && !(candidate < found[k - 1])) continue;
    size_t at = size < k ? size++ : k - 1;
    for (; at > 0 && candidate < found[at - 1]; --at) found[at] = found[at - 1];
    found[at] = candidate;
  }
  for (size_t i = 0; i < size; ++i) found[i].distance += query_norm;
  for (; size < k; ++size) found[size] = {kFarNorm, kNoRow};
}

}  // namespace roxanne::graph
