#include "graph/points.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace roxanne::graph {
namespace {

constexpr float kCodeMax = 127;
// Rows whose memory is asked for before they are needed.
constexpr size_t kRowsAhead = 8;
constexpr size_t kLineBytes = 64;
constexpr size_t kLinesAheadMax = 16;

void prefetch_row(MatrixView rows, uint32_t id) {
  const std::byte* row = rows.row(id);
  const size_t lines = std::min(kLinesAheadMax, (rows.row_bytes() + kLineBytes - 1) / kLineBytes);
  for (size_t i = 0; i < lines; ++i) __builtin_prefetch(row + i * kLineBytes);
}

std::vector<float> squared_norms(MatrixView rows) {
  std::vector<float> norms(rows.rows());
  std::vector<float> row(rows.dim());
  for (size_t i = 0; i < rows.rows(); ++i) {
    widen_row(rows, i, row.data());
    double sum = 0;
    for (const float value : row) sum += static_cast<double>(value) * value;
    norms[i] = static_cast<float>(sum);
  }
  return norms;
}

}  // namespace

void widen_row(MatrixView rows, size_t row, float* out) {
  const size_t dim = rows.dim();
  const std::byte* from = rows.row(row);
  switch (rows.type()) {
    case ScalarType::kF32:
      std::memcpy(out, from, dim * sizeof(float));
      break;
    case ScalarType::kF16:
      kernels::kernels().f16_to_f32(reinterpret_cast<const uint16_t*>(from), dim, out);
      break;
    case ScalarType::kU8:
      for (size_t i = 0; i < dim; ++i) out[i] = static_cast<float>(from[i]);
      break;
    case ScalarType::kI8:
      for (size_t i = 0; i < dim; ++i) out[i] = static_cast<float>(static_cast<int8_t>(from[i]));
      break;
  }
}

void PointBlock::resize(size_t rows, size_t dim) {
  rows_ = rows;
  dim_ = dim;
  norms_.resize(rows);
  if (rows * dim <= capacity_) return;
  capacity_ = rows * dim + rows * dim / 4;
  codes_ = std::make_unique_for_overwrite<uint8_t[]>(capacity_);
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
  widen_row(rows_, id, out);
  if (metric_ == Metric::kCosine) {
    for (size_t i = 0; i < dim_; ++i) out[i] *= scales_[id];
  }
  if (metric_ == Metric::kInnerProduct) out[dim_ - 1] = extra_[id];
}

Points::Frame Points::frame(std::span<const uint32_t> ids, float headroom) const {
  Frame frame;
  if (is_native_ || ids.empty()) return frame;
  frame.centre.assign(dim_, 0);
  std::vector<float> row(dim_);
  std::vector<float> low(dim_, std::numeric_limits<float>::max());
  std::vector<float> high(dim_, std::numeric_limits<float>::lowest());
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i + kRowsAhead < ids.size()) prefetch_row(rows_, ids[i + kRowsAhead]);
    load(ids[i], row.data());
    for (size_t d = 0; d < dim_; ++d) {
      low[d] = std::min(low[d], row[d]);
      high[d] = std::max(high[d], row[d]);
    }
  }
  // The middle of each coordinate's range: no point is farther from it than half the widest range.
  float reach = 0;
  for (size_t d = 0; d < dim_; ++d) {
    frame.centre[d] = low[d] / 2 + high[d] / 2;
    reach = std::max(reach, high[d] / 2 - low[d] / 2);
  }
  frame.scale = reach > 0 ? kCodeMax / (reach * headroom) : 0;
  if (!std::isfinite(frame.scale)) frame.scale = 0;
  return frame;
}

void Points::gather(std::span<const uint32_t> ids, const Frame& frame, PointBlock& block) const {
  block.resize(ids.size(), dim_);
  std::vector<float> row(is_native_ ? 0 : dim_);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i + kRowsAhead < ids.size()) prefetch_row(rows_, ids[i + kRowsAhead]);
    uint8_t* out = block.row(i);
    if (is_native_) {
      std::memcpy(out, rows_.row(ids[i]), dim_);
      continue;
    }
    load(ids[i], row.data());
    kernels::kernels().quantize_i8(row.data(), frame.centre.data(), frame.scale, dim_,
                                   reinterpret_cast<int8_t*>(out));
  }
  point_kernels(code_type_).norms(block.row(0), block.rows(), dim_, block.norms().data());
}

}  // namespace roxanne::graph
