#include "index/cell_neighbours.h"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

#include "base/status_macros.h"
#include "graph/nearest_rows.h"
#include "graph/partition.h"
#include "kernels/distance.h"

namespace roxanne::index {
namespace {

// Leaves of centroids need to overlap less than those of points: a cell that is missed here is the
// least near of its dozen.
constexpr size_t kFanoutFirst = 6;
constexpr size_t kFanoutSecond = 2;
constexpr size_t kLocks = 256;

// The nearest cells that were offered so far, by exact distance, ties by number: whatever the order
// in which they are offered, the same remain.
class NearTable {
 public:
  NearTable(MatrixView centroids, size_t count)
      : centroids_(centroids), count_(count), places_(centroids.rows() * count) {}

  void offer(uint32_t cell, uint32_t other) {
    Place place{0, other};
    kernels::kernels().l2_f32(centroids_.row(cell), centroids_.row(other), 1, centroids_.dim(),
                              &place.distance);
    Place* const first = places_.data() + size_t{cell} * count_;
    Place* const last = first + count_;
    std::lock_guard lock(locks_[cell % kLocks]);
    Place* const at = std::lower_bound(first, last, place);
    if (at == last || at->cell == other) return;
    std::move_backward(at, last - 1, last);
    *at = place;
  }

  std::vector<uint32_t> cells() const {
    std::vector<uint32_t> cells(places_.size());
    for (size_t i = 0; i < cells.size(); ++i) cells[i] = places_[i].cell;
    return cells;
  }

 private:
  struct Place {
    float distance = std::numeric_limits<float>::infinity();
    uint32_t cell = CellNeighbours::kNone;
    bool operator<(const Place& other) const {
      return distance != other.distance ? distance < other.distance : cell < other.cell;
    }
  };

  MatrixView centroids_;
  size_t count_;
  std::vector<Place> places_;
  std::array<std::mutex, kLocks> locks_;  // of the cells of one number modulo kLocks
};

// One lane's.
class LeafLooker {
 public:
  LeafLooker(ScalarType code_type, NearTable& table) : nearest_(code_type), table_(table) {}

  // The codes of a leaf are coarse: they choose whom to offer, exact distances who stays.
  void look(const graph::Leaf& leaf) {
    const size_t k = std::min(graph::NearestRows::kMostNeighbours, leaf.ids.size() - 1);
    nearest_.set_rows(*leaf.block);
    nearest_.find(*leaf.block, {.k = k, .skip_self = true}, found_);
    for (size_t i = 0; i < found_.size(); ++i) {
      if (found_[i].row == graph::kNoRow) continue;
      const uint32_t cell = leaf.ids[i / k];
      const uint32_t other = leaf.ids[found_[i].row];
      table_.offer(cell, other);
      table_.offer(other, cell);
    }
  }

 private:
  graph::NearestRows nearest_;
  NearTable& table_;
  std::vector<graph::NearRow> found_;
};

}  // namespace

CellNeighbours::CellNeighbours(MatrixView centroids, base::ThreadPool& pool, const Options& options)
    : cell_count_(centroids.rows()), count_(options.count) {
  ROX_CHECK(centroids.type() == ScalarType::kF32);
  ROX_CHECK(count_ <= kMostNeighbours);
  const graph::Points points(centroids, Metric::kL2);
  NearTable table(centroids, count_);
  std::vector<std::unique_ptr<LeafLooker>> lookers(options.thread_count);
  for (auto& looker : lookers) looker = std::make_unique<LeafLooker>(points.code_type(), table);
  graph::PartitionOptions partition_options;
  partition_options.fanout_first = kFanoutFirst;
  partition_options.fanout_second = kFanoutSecond;
  partition_options.seed = options.seed;
  graph::Partition partition(points, partition_options);
  partition.run(pool, options.thread_count,
                [&](size_t lane, const graph::Leaf& leaf) { lookers[lane]->look(leaf); }, {});
  cells_ = table.cells();
}

}  // namespace roxanne::index
