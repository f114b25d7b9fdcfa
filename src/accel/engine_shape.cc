#include "accel/engine_shape.h"

#include <algorithm>

namespace roxanne::accel {
namespace {

// Four thousand tiles: several for every place that a large device has for one at a time.
constexpr size_t kBatchRows = 1u << 18;
// A cell is expected to hold its share of the points; some hold several times as much.
constexpr size_t kCellSpread = 4;
// What sorting takes beside its edges: histograms of a few megabytes, and rounding.
constexpr uint64_t kSortBytes = 32u << 20;
// Of the device's memory, before cells get any.
constexpr uint64_t kBatchShare = 2;

uint64_t row_bytes(const EngineShape& shape) { return row_stride(shape.dim) + sizeof(int32_t); }

// Of one row of a batch: itself, its numbers, its tile at worst, its answers, its edges twice.
uint64_t device_row_bytes(const EngineShape& shape) {
  return row_bytes(shape) + 2 * sizeof(uint32_t) + sizeof(QueryTile) +
         shape.k_max * sizeof(uint32_t) + 2 * 2 * shape.link_neighbours * sizeof(uint64_t);
}
// Two stages, answers, edges.
uint64_t pinned_row_bytes(const EngineShape& shape) {
  return 2 * (row_bytes(shape) + 2 * sizeof(uint32_t)) + shape.k_max * sizeof(uint32_t) +
         2 * shape.link_neighbours * sizeof(uint64_t);
}
// Nodes that are pruned, and what they keep.
uint64_t node_bytes(const EngineShape& shape) {
  return kPruneNodesMax * (sizeof(PruneNode) + shape.max_degree * sizeof(uint32_t));
}

}  // namespace

uint64_t device_bytes_of(const EngineShape& shape) {
  return kSortBytes + node_bytes(shape) + shape.batch_rows * device_row_bytes(shape) +
         shape.cell_rows * row_bytes(shape);
}

uint64_t pinned_bytes_of(const EngineShape& shape) {
  return node_bytes(shape) + shape.batch_rows * pinned_row_bytes(shape);
}

EngineShape wanted_shape(const graph::Points& points, const graph::GraphOptions& options) {
  EngineShape shape;
  shape.dim = points.dim();
  shape.code_type = points.code_type();
  shape.k_max = std::max({options.partition.fanout_first, options.partition.fanout_second,
                          options.leaf_neighbours, size_t{1}});
  shape.k_max = std::min(shape.k_max, kNearestMax);
  shape.link_neighbours = std::min(options.leaf_neighbours, kNearestMax);
  shape.max_degree = options.prune.max_degree;
  shape.batch_rows = kBatchRows;
  const size_t leaders = choose_first_leaders(points.count(), options.partition).places.size();
  const size_t share =
      points.count() * options.partition.fanout_first / std::max<size_t>(1, leaders);
  if (points.is_native()) shape.cell_rows = std::min(points.count(), kCellSpread * share);
  return shape;
}

Result<EngineShape> fit_shape(const EngineShape& wanted, const EngineBudget& budget,
                              size_t batch_rows_least) {
  EngineShape shape = wanted;
  shape.cell_rows = 0;
  shape.batch_rows = batch_rows_least;
  if (device_bytes_of(shape) > budget.device_bytes ||
      pinned_bytes_of(shape) > budget.pinned_bytes) {
    return Status::invalid_argument(
        "building the graph on a device takes at least " + std::to_string(device_bytes_of(shape)) +
        " bytes of its memory and " + std::to_string(pinned_bytes_of(shape)) +
        " of the host's, for each of the threads that feed it; there are " +
        std::to_string(budget.device_bytes) + " and " + std::to_string(budget.pinned_bytes));
  }
  const uint64_t batch_bytes = std::max(device_bytes_of(shape), budget.device_bytes / kBatchShare);
  const uint64_t more_on_device = (batch_bytes - device_bytes_of(shape)) / device_row_bytes(shape);
  const uint64_t more_pinned =
      (budget.pinned_bytes - pinned_bytes_of(shape)) / pinned_row_bytes(shape);
  const uint64_t rows = batch_rows_least + std::min(more_on_device, more_pinned);
  shape.batch_rows =
      std::max<uint64_t>(batch_rows_least, std::min<uint64_t>(rows, wanted.batch_rows));
  const uint64_t cell_rows = (budget.device_bytes - device_bytes_of(shape)) / row_bytes(shape);
  shape.cell_rows = std::min<uint64_t>(cell_rows, wanted.cell_rows);
  return shape;
}

}  // namespace roxanne::accel
