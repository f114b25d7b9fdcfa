#include "graph/points.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/widen.h"

namespace roxanne::graph {
namespace {

constexpr float kCodeMax = 127;
// Rows whose memory is asked for before they are needed.
constexpr size_t kRowsAhead = 8;
constexpr size_t kLineBytes = 64;
constexpr size_t kLinesAheadMax = 16;
// As floats they are still near when they are needed again.
constexpr size_t kRowsWidenedTogether = 1024;

void prefetch_row(MatrixView rows, uint32_t id) {
  const std::byte* row = rows.row(id);
  const size_t lines = std::min(kLinesAheadMax, (rows.row_bytes() + kLineBytes - 1) / kLineBytes);
  for (size_t i = 0; i < lines; ++i) __builtin_prefetch(row + i * kLineBytes);
}

std::vector<float> squared_norms(MatrixView rows) {
  std::vector<float> norms(rows.rows());
  std::vector<float> row(rows.dim());
  for (size_t i = 0; i < rows.rows(); ++i) {
    kernels::widen_rows(rows.slice(i, 1), row.data());
    double sum = 0;
    for (const float value : row) sum += static_cast<double>(value) * value;
    norms[i] = static_cast<float>(sum);
  }
  return norms;
}

}  // namespace

void PointBlock::resize(size_t rows, size_t dim) {
  rows_ = rows;
  dim_ = dim;
  norms_.resize(rows);
  if (rows * dim <= capacity_) return;
  capacity_ = rows * dim + rows * dim / 4;
  codes_ = std::make_unique_for_overwrite<uint8_t[]>(capacity_);
}

float* PointBlock::scratch(size_t count) {
  if (scratch_.size() < count) scratch_.resize(count);
  return scratch_.data();
}

PointKernels point_kernels(ScalarType type) {
  const kernels::KernelTable& table = kernels::kernels();
  if (type == ScalarType::kU8) return {&table.panel_u8, table.l2_u8, table.norms_u8};
  return {&table.panel_i8, table.l2_i8, table.norms_i8};
}

Points::Points(MatrixView rows, Metric metric) : rows_(rows), metric_(metric), dim_(rows.dim()) {
  const bool is_integer = rows.type() == ScalarType::kU8 || rows.type() == ScalarType::kI8;
  is_native_ = is_integer && metric == Metric::kL2;
  code_type_ = is_native_ ? rows.type() : ScalarType::kI8;
  if (metric == Metric::kCosine) {
    scales_ = squared_norms(rows);
    for (float& norm : scales_) norm = norm > 0 ? 1 / std::sqrt(norm) : 0;
  }
  if (metric == Metric::kInnerProduct) {
    extra_ = squared_norms(rows);
    const float greatest = extra_.empty() ? 0 : *std::max_element(extra_.begin(), extra_.end());
    for (float& norm : extra_) norm = std::sqrt(std::max(0.0f, greatest - norm));
    ++dim_;
  }
}

void Points::load(uint32_t id, float* out) const {
  kernels::widen_rows(rows_.slice(id, 1), out);
  if (metric_ == Metric::kCosine) {
    for (size_t i = 0; i < dim_; ++i) out[i] *= scales_[id];
  }
  if (metric_ == Metric::kInnerProduct) out[dim_ - 1] = extra_[id];
}

// The ranges of some points' coordinates.
class Points::Extent {
 public:
  explicit Extent(size_t dim)
      : low_(dim, std::numeric_limits<float>::max()),
        high_(dim, std::numeric_limits<float>::lowest()) {}

  void add(const float* row) {
    float* const low = low_.data();
    float* const high = high_.data();
    const size_t dim = low_.size();
    for (size_t d = 0; d < dim; ++d) {
      low[d] = row[d] < low[d] ? row[d] : low[d];
      high[d] = row[d] > high[d] ? row[d] : high[d];
    }
  }

  // The middle of each range: no point is farther from it than half the widest of them.
  Frame frame(float headroom) const {
    Frame frame;
    frame.centre.resize(low_.size());
    float reach = 0;
    for (size_t d = 0; d < low_.size(); ++d) {
      frame.centre[d] = low_[d] / 2 + high_[d] / 2;
      reach = std::max(reach, high_[d] / 2 - low_[d] / 2);
    }
    frame.scale = reach > 0 ? kCodeMax / (reach * headroom) : 0;
    if (!std::isfinite(frame.scale)) frame.scale = 0;
    return frame;
  }

 private:
  std::vector<float> low_;
  std::vector<float> high_;
};

void Points::prefetch_after(std::span<const uint32_t> ids, size_t i) const {
  if (i + kRowsAhead < ids.size()) prefetch_row(rows_, ids[i + kRowsAhead]);
}

Points::Frame Points::frame(std::span<const uint32_t> ids, float headroom) const {
  if (is_native_ || ids.empty()) return {};
  Extent extent(dim_);
  std::vector<float> row(dim_);
  for (size_t i = 0; i < ids.size(); ++i) {
    prefetch_after(ids, i);
    load(ids[i], row.data());
    extent.add(row.data());
  }
  return extent.frame(headroom);
}

void Points::gather(std::span<const uint32_t> ids, const Frame& frame, PointBlock& block) const {
  block.resize(ids.size(), dim_);
  float* const row = block.scratch(dim_);
  for (size_t i = 0; i < ids.size(); ++i) {
    prefetch_after(ids, i);
    if (is_native_) {
      std::memcpy(block.row(i), rows_.row(ids[i]), dim_);
      continue;
    }
    load(ids[i], row);
    kernels::kernels().quantize_i8(row, frame.centre.data(), frame.scale, dim_,
                                   reinterpret_cast<int8_t*>(block.row(i)));
  }
  point_kernels(code_type_).norms(block.row(0), block.rows(), dim_, block.norms().data());
}

void Points::distances(uint32_t id, std::span<const uint32_t> others, float* out) const {
  if (is_native_) {
    const PointKernels kernels = point_kernels(code_type_);
    for (size_t i = 0; i < others.size(); ++i) {
      prefetch_after(others, i);
      int32_t distance = 0;
      kernels.l2(rows_.row(id), rows_.row(others[i]), 1, dim_, &distance);
      out[i] = static_cast<float>(distance);
    }
    return;
  }
  std::vector<float> rows(2 * dim_);
  load(id, rows.data());
  for (size_t i = 0; i < others.size(); ++i) {
    prefetch_after(others, i);
    load(others[i], rows.data() + dim_);
    kernels::kernels().l2_f32(rows.data(), rows.data() + dim_, 1, dim_, out + i);
  }
}

// Few rows are widened once, for the frame and for the codes.
void Points::gather(std::span<const uint32_t> ids, PointBlock& block) const {
  if (is_native_ || ids.size() > kRowsWidenedTogether) return gather(ids, frame(ids), block);
  block.resize(ids.size(), dim_);
  float* const rows = block.scratch(ids.size() * dim_);
  Extent extent(dim_);
  for (size_t i = 0; i < ids.size(); ++i) {
    prefetch_after(ids, i);
    load(ids[i], rows + i * dim_);
    extent.add(rows + i * dim_);
  }
  const Frame frame = extent.frame(1);
  for (size_t i = 0; i < ids.size(); ++i) {
    kernels::kernels().quantize_i8(rows + i * dim_, frame.centre.data(), frame.scale, dim_,
                                   reinterpret_cast<int8_t*>(block.row(i)));
  }
  point_kernels(code_type_).norms(block.row(0), block.rows(), dim_, block.norms().data());
}

}  // namespace roxanne::graph
