// Rows in cells for the tests of this layer: clusters found by k-means, in a scratch file.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "index/cells_view.h"
#include "index/ordered_rows.h"
#include "quantize/kmeans.h"

namespace roxanne::index {

// u8 vectors under L2, in the order of their cells once they have been sorted.
struct TestCells {
  size_t dim = 0;
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> starts;
  std::vector<float> centroids;

  size_t count() const { return bytes.size() / dim; }
  MatrixView rows() const { return MatrixView::u8(bytes.data(), count(), dim); }
  CellsView view() const {
    return {starts, MatrixView::f32(centroids.data(), centroids.size() / dim, dim), {}};
  }
  // Slots are three times the dense number, tags their complement.
  Result<std::unique_ptr<OrderedRows>> ordered(storage::FileSystem& file_system,
                                               const std::string& path) const {
    auto rows = OrderedRows::create(file_system, path, ScalarType::kU8, dim);
    if (!rows.is_ok()) return rows.status();
    std::vector<uint32_t> slots(count());
    std::vector<uint64_t> tags(count());
    for (uint32_t i = 0; i < count(); ++i) {
      slots[i] = 3 * i;
      tags[i] = ~uint64_t{slots[i]};
    }
    Status status = (*rows)->append(this->rows(), slots, tags);
    if (status.is_ok()) status = (*rows)->finish();
    if (!status.is_ok()) return status;
    return rows;
  }
};

// Sorts rows into cells of about `cell_rows`.
inline TestCells sort_into_cells(const std::vector<uint8_t>& bytes, size_t dim, size_t cell_rows) {
  const size_t count = bytes.size() / dim;
  const size_t cell_count = std::max<size_t>(1, count / cell_rows);
  const std::vector<float> floats(bytes.begin(), bytes.end());
  TestCells cells;
  cells.dim = dim;
  cells.centroids = quantize::kmeans(
      floats.data(), count, dim,
      {.cluster_count = cell_count, .iteration_max = 3, .points_per_cluster_max = 32});
  std::vector<uint32_t> cell_of(count);
  quantize::NearestCentroid(cells.centroids.data(), cell_count, dim)
      .assign(floats.data(), count, cell_of.data());
  cells.starts.assign(cell_count + 1, 0);
  for (const uint32_t cell : cell_of) ++cells.starts[cell + 1];
  std::partial_sum(cells.starts.begin(), cells.starts.end(), cells.starts.begin());
  std::vector<uint32_t> next = cells.starts;
  cells.bytes.resize(bytes.size());
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(cells.bytes.data() + size_t{next[cell_of[i]]++} * dim, bytes.data() + i * dim, dim);
  }
  return cells;
}

// Rows with about as many intrinsic dimensions as real vectors have.
inline std::vector<uint8_t> spread_rows(size_t count, size_t dim, uint32_t seed) {
  constexpr size_t kIntrinsic = 16;
  std::mt19937 random(seed);
  std::normal_distribution<float> values;
  std::vector<float> basis(dim * kIntrinsic);
  for (float& value : basis) value = values(random) * 8;
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < count; ++i) {
    float place[kIntrinsic];
    for (float& value : place) value = values(random);
    for (size_t d = 0; d < dim; ++d) {
      float sum = 128;
      for (size_t j = 0; j < kIntrinsic; ++j) sum += place[j] * basis[d * kIntrinsic + j];
      bytes.push_back(static_cast<uint8_t>(std::clamp(sum, 0.0f, 255.0f)));
    }
  }
  return bytes;
}

}  // namespace roxanne::index
