// Puts rows and tiles together until a batch is worth sending.
#pragma once

#include <span>
#include <vector>

#include "accel/engine.h"
#include "graph/points.h"

namespace roxanne::accel {

// Scratch of one lane.
class BatchFiller {
 public:
  BatchFiller(const graph::Points& points, Engine& engine) : points_(points), engine_(engine) {}

  // Begins anew. With `is_of_cell`, rows are members of the engine's cell, which has these `ids`.
  void begin(bool is_of_cell, std::span<const uint32_t> cell_ids);
  bool is_empty() const { return rows_ == 0; }
  size_t room() const { return engine_.shape().batch_rows - rows_; }

  // Both add rows, at most room(), and return the number of the first of them.
  uint32_t add_members(std::span<const uint32_t> places);
  uint32_t add_points(std::span<const uint32_t> ids, const graph::Points::Frame& frame);
  // Rows of a block that was gathered already.
  uint32_t add_block(const graph::PointBlock& block);

  // Rows to be compared with other rows of the batch.
  void add_queries(const QueryTile& queries);

  // What was put together; lives until begin().
  NearestBatch batch(size_t k, bool skip_self) const;
  size_t row_count() const { return rows_; }

 private:
  const graph::Points& points_;
  Engine& engine_;
  Stage stage_{};
  bool is_of_cell_ = false;
  std::span<const uint32_t> cell_ids_;
  size_t rows_ = 0;
  std::vector<QueryTile> tiles_;
  graph::PointBlock block_;
};

}  // namespace roxanne::accel
