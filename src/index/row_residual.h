// What is left of a row when its cell's centroid is taken away: what its code is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/disk_graph.h"
#include "quantize/cell_code.h"

namespace roxanne::index {

// One thread's. Cells and rows come and go.
class RowResidual {
 public:
  explicit RowResidual(const DiskGraph& graph)
      : graph_(graph),
        residual_(graph.shape.options.dim),
        centroid_(graph.shape.options.dim),
        decoded_(graph.shape.options.dim) {}

  // The cell of the rows that follow, as it is now.
  void set_cell(uint32_t cell) {
    graph_.code_centroid(cell, centroid_.data());
    offset_ = graph_.code_offset(cell);
  }
  void set_row(const std::byte* row) {
    const CollectionOptions& options = graph_.shape.options;
    float offset = 0;
    graph_.space.map_rows(VectorView(options.type, row, options.dim), residual_.data(), &offset);
    for (size_t d = 0; d < residual_.size(); ++d) residual_[d] -= centroid_[d];
    extra_ = offset - offset_;
  }

  const std::vector<float>& residual() const { return residual_; }
  const std::vector<float>& centroid() const { return centroid_; }
  float extra() const { return extra_; }  // that is added to the estimate beside
  // Writes code.code_bytes().
  void encode(const quantize::CellCode& code, uint8_t* out) {
    code.encode(residual_.data(), centroid_.data(), extra_, out, decoded_.data());
  }

 private:
  const DiskGraph& graph_;
  std::vector<float> residual_;
  std::vector<float> centroid_;
  std::vector<float> decoded_;  // scratch of encode()
  float offset_ = 0;
  float extra_ = 0;
};

}  // namespace roxanne::index
