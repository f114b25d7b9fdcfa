#include "index/link_space.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/distance.h"

namespace roxanne::index {

LinkSpace::LinkSpace(const DiskGraph& graph)
    : graph_(graph),
      has_offsets_(graph.shape.options.metric == Metric::kInnerProduct),
      dim_(graph.shape.options.dim + (has_offsets_ ? 1 : 0)),
      centroid_(graph.shape.options.dim) {}

void LinkSpace::of_row(const std::byte* row, float* out) {
  const CollectionOptions& options = graph_.shape.options;
  float offset = 0;
  graph_.space.map_rows(VectorView(options.type, row, options.dim), out,
                        has_offsets_ ? &offset : nullptr);
  if (has_offsets_) out[dim_ - 1] = std::sqrt(std::max(0.0f, offset));
}

void LinkSpace::of_code(const uint8_t* code, uint32_t cell, float* out) {
  graph_.code_centroid(cell, centroid_.data());
  graph_.code.decode(code, out);
  float known = 0;  // of what the code adds: that which is not an offset
  for (size_t d = 0; d < centroid_.size(); ++d) {
    known += out[d] * (out[d] + 2 * centroid_[d]);
    out[d] += centroid_[d];
  }
  if (!has_offsets_) return;
  int16_t add;
  std::memcpy(&add, code + graph_.code.part_count(), sizeof add);
  const float offset =
      graph_.code.add_step() * static_cast<float>(add) - known + graph_.code_offset(cell);
  out[dim_ - 1] = std::sqrt(std::max(0.0f, offset));
}

float LinkSpace::distance(const float* a, const float* b) const {
  float distance;
  kernels::kernels().l2_f32(a, b, 1, dim_, &distance);
  return distance;
}

}  // namespace roxanne::index
