#include "index/link_space.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

namespace roxanne::index {
namespace {

ScalarType type_of(const CollectionOptions& options) {
  const bool is_integer = options.type == ScalarType::kU8 || options.type == ScalarType::kI8;
  return is_integer && options.metric == Metric::kL2 ? options.type : ScalarType::kF32;
}

template <typename T>
void round_to(std::span<const float> values, std::byte* out) {
  constexpr auto kLeast = static_cast<float>(std::numeric_limits<T>::min());
  constexpr auto kMost = static_cast<float>(std::numeric_limits<T>::max());
  T* const to = reinterpret_cast<T*>(out);
  for (size_t d = 0; d < values.size(); ++d) {
    const float value = std::clamp(values[d], kLeast, kMost);
    to[d] = static_cast<T>(static_cast<int>(value + (value < 0 ? -0.5f : 0.5f)));
  }
}

}  // namespace

LinkSpace::LinkSpace(const DiskGraph& graph)
    : graph_(graph),
      has_offsets_(graph.shape.options.metric == Metric::kInnerProduct),
      type_(type_of(graph.shape.options)),
      dim_(graph.shape.options.dim + (has_offsets_ ? 1 : 0)),
      int_distance_(type_ == ScalarType::kU8 ? kernels::kernels().l2_u8 : kernels::kernels().l2_i8),
      centroid_(graph.shape.options.dim),
      decoded_(dim_) {}

void LinkSpace::of_row(const std::byte* row, std::byte* out) {
  if (is_integer()) {
    std::memcpy(out, row, dim_);
    return;
  }
  const CollectionOptions& options = graph_.shape.options;
  float* const floats = reinterpret_cast<float*>(out);
  float offset = 0;
  graph_.space.map_rows(VectorView(options.type, row, options.dim), floats,
                        has_offsets_ ? &offset : nullptr);
  if (has_offsets_) floats[dim_ - 1] = std::sqrt(std::max(0.0f, offset));
}

void LinkSpace::of_code(const uint8_t* code, uint32_t cell, std::byte* out) {
  if (!is_integer()) {
    floats_of_code(code, cell, reinterpret_cast<float*>(out));
    return;
  }
  floats_of_code(code, cell, decoded_.data());
  const SearchSpace& space = graph_.space;
  for (size_t d = 0; d < dim_; ++d) decoded_[d] = decoded_[d] / space.scale() + space.origin()[d];
  if (type_ == ScalarType::kU8) {
    round_to<uint8_t>(decoded_, out);
  } else {
    round_to<int8_t>(decoded_, out);
  }
}

void LinkSpace::floats_of_code(const uint8_t* code, uint32_t cell, float* out) {
  graph_.code_centroid(cell, centroid_.data());
  graph_.code.decode(code, out);
  float known = 0;  // of what the code adds: that which is not an offset
  for (size_t d = 0; d < centroid_.size(); ++d) {
    known += out[d] * (out[d] + 2 * centroid_[d]);
    out[d] += centroid_[d];
  }
  if (!has_offsets_) return;
  const int16_t add = graph_.code.add_of(code);
  const float offset =
      graph_.code.add_step() * static_cast<float>(add) - known + graph_.code_offset(cell);
  out[dim_ - 1] = std::sqrt(std::max(0.0f, offset));
}

float LinkSpace::distance(const std::byte* a, const std::byte* b) const {
  if (is_integer()) {
    int32_t distance;
    int_distance_(a, b, 1, dim_, &distance);
    return static_cast<float>(distance);
  }
  float distance;
  kernels::kernels().l2_f32(reinterpret_cast<const float*>(a), b, 1, dim_, &distance);
  return distance;
}

}  // namespace roxanne::index
