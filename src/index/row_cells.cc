#include "index/row_cells.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/status_macros.h"
#include "kernels/distance.h"
#include "kernels/widen.h"

namespace roxanne::index {
namespace {

// Rows of a cell that are read together.
constexpr size_t kRowsTogether = 512;

}  // namespace

// Scratch of one thread.
class RowCells::Lane {
 public:
  Lane(const OrderedRows& rows, const CellsView& cells, RowCells& result)
      : rows_(rows), cells_(cells), result_(result) {}

  Status look(uint32_t cell) {
    gather_centroids(cell);
    const uint32_t end = cells_.starts[cell + 1];
    for (size_t first = cells_.starts[cell]; first < end; first += kRowsTogether) {
      const size_t count = std::min<size_t>(kRowsTogether, end - first);
      ROX_RETURN_IF_ERROR(rows_.read(first, count, block_));
      vectors_.resize(count * dim());
      if (cells_.map_rows) {
        cells_.map_rows(block_.rows(), vectors_.data());
      } else {
        kernels::widen_rows(block_.rows(), vectors_.data());
      }
      for (size_t i = 0; i < count; ++i) rank(vectors_.data() + i * dim(), first + i);
    }
    return Status::ok();
  }

 private:
  size_t dim() const { return cells_.centroids.dim(); }

  void gather_centroids(uint32_t cell) {
    centroids_.clear();
    near_count_ = 0;
    for (const uint32_t near : result_.neighbours_->of(cell)) {
      if (near == CellNeighbours::kNone) break;
      const auto* centroid = reinterpret_cast<const float*>(cells_.centroids.row(near));
      centroids_.insert(centroids_.end(), centroid, centroid + dim());
      ++near_count_;
    }
    distances_.resize(near_count_);
    order_.resize(near_count_);
  }

  void rank(const float* vector, size_t row) {
    const size_t wanted = std::min(result_.count_, near_count_);
    kernels::kernels().l2_f32(vector, centroids_.data(), near_count_, dim(), distances_.data());
    for (size_t i = 0; i < near_count_; ++i) order_[i] = static_cast<uint8_t>(i);
    std::partial_sort(order_.begin(), order_.begin() + static_cast<ptrdiff_t>(wanted), order_.end(),
                      [&](uint8_t a, uint8_t b) {
                        return distances_[a] != distances_[b] ? distances_[a] < distances_[b]
                                                              : a < b;
                      });
    std::copy_n(order_.begin(), wanted,
                result_.places_.begin() + static_cast<ptrdiff_t>(row * result_.count_));
  }

  const OrderedRows& rows_;
  const CellsView& cells_;
  RowCells& result_;
  OrderedRows::Block block_;
  size_t near_count_ = 0;
  std::vector<float> vectors_;
  std::vector<float> centroids_;
  std::vector<float> distances_;
  std::vector<uint8_t> order_;
};

Result<RowCells> RowCells::find(const OrderedRows& rows, const CellsView& cells,
                                const CellNeighbours& neighbours, base::ThreadPool& pool,
                                const Options& options) {
  RowCells result(neighbours, rows.count(), options.count);
  std::atomic<uint32_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;  // guards status
  Status status;
  const auto cell_count = static_cast<uint32_t>(cells.centroids.rows());
  pool.run(options.thread_count, [&](size_t) {
    Lane lane(rows, cells, result);
    for (uint32_t cell = next++; cell < cell_count && !failed; cell = next++) {
      const Status looked = lane.look(cell);
      if (looked.is_ok()) continue;
      std::lock_guard lock(mutex);
      status = looked;
      failed = true;
    }
  });
  ROX_RETURN_IF_ERROR(status);
  return result;
}

}  // namespace roxanne::index
