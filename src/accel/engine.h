// What a device computes of a graph's build, in batches of rows. One engine is one lane: one thread
// at a time uses it, and several of one device overlap one lane's copies and decisions with
// another's kernels. Answers are those of the processor to the bit: codes are integers, ties break
// by row.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "accel/batch.h"
#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::accel {

// What an engine is made for; it takes all its memory when it is made.
struct EngineShape {
  size_t dim = 0;
  ScalarType code_type = ScalarType::kU8;  // or kI8
  size_t batch_rows = 0;
  size_t cell_rows = 0;        // 0: batches come from the host alone
  size_t k_max = 0;            // at most kNearestMax
  size_t link_neighbours = 0;  // the greatest k of link()
  size_t max_degree = 0;

  // Edges that link() finds, there and back, and sort_edges() takes at most.
  size_t edges_max() const { return 2 * batch_rows * link_neighbours; }
};
// As graph::NearestRows::kMostNeighbours.
inline constexpr size_t kNearestMax = 16;
inline constexpr size_t kPruneNodesMax = 8192;  // of one call

// Host memory that the next call sends: the caller fills rows [0, n) of it.
struct Stage {
  uint8_t* codes;     // batch_rows * stride bytes; those from dim to stride are zeros already
  size_t stride;      // row_stride(dim)
  int32_t* norms;     // batch_rows
  uint32_t* members;  // batch_rows: numbers of rows of the cell
  uint32_t* ids;      // batch_rows: numbers of points, for link()
};

struct NearestBatch {
  size_t row_count = 0;
  bool is_of_cell = false;  // rows are the cell's staged members, not the staged codes
  std::span<const QueryTile> tiles;
  size_t k = 1;
  bool skip_self = false;
};

// Errors are kIoError: the device failed, and this engine is of no more use.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const EngineShape& shape() const = 0;

  // Of the next call. Waits where an earlier call still reads it; invalid after the next call.
  virtual Stage stage() = 0;

  // The staged rows become rows [first, first + count) of the cell at hand. May return before it
  // is done.
  virtual Status load_cell(size_t first, size_t count) = 0;

  // For every query of every tile, its k nearest rows at found[query * k...], as rows of the batch;
  // kNoRow where there are fewer. `found` lives until the next call.
  virtual Status nearest(const NearestBatch& batch, std::span<const uint32_t>& found) = 0;

  // The same with skip_self, as edges both ways between staged ids: source << 32 | target, sources
  // below source_count, ascending, each once; added to `edges`.
  virtual Status link(const NearestBatch& batch, uint32_t source_count,
                      std::vector<uint64_t>& edges) = 0;

  // Puts at most shape().edges_max() edges in ascending order, each once.
  virtual Status sort_edges(std::vector<uint64_t>& edges) = 0;

  // For every node (at most kPruneNodesMax), of staged codes, rule.max_degree candidates' numbers,
  // best first, then kNoRow. `kept` lives until the next call.
  virtual Status prune(size_t row_count, std::span<const PruneNode> nodes, const PruneRule& rule,
                       std::span<const uint32_t>& kept) = 0;
};

}  // namespace roxanne::accel
