#include "accel/batch_filler.h"

#include <algorithm>
#include <cstring>

#include "base/status_macros.h"

namespace roxanne::accel {
namespace {

// Gathered together: they are copied to the stage while they are still near.
constexpr size_t kRowsGathered = 512;

}  // namespace

void BatchFiller::begin(bool is_of_cell, std::span<const uint32_t> cell_ids) {
  stage_ = engine_.stage();
  is_of_cell_ = is_of_cell;
  cell_ids_ = cell_ids;
  rows_ = 0;
  tiles_.clear();
}

uint32_t BatchFiller::add_members(std::span<const uint32_t> places) {
  ROX_CHECK(places.size() <= room());
  const size_t first = rows_;
  for (const uint32_t place : places) {
    stage_.members[rows_] = place;
    stage_.ids[rows_++] = cell_ids_[place];
  }
  return static_cast<uint32_t>(first);
}

uint32_t BatchFiller::add_points(std::span<const uint32_t> ids, const graph::Points::Frame& frame) {
  const auto first = static_cast<uint32_t>(rows_);
  for (size_t at = 0; at < ids.size(); at += kRowsGathered) {
    const auto part = ids.subspan(at, std::min(kRowsGathered, ids.size() - at));
    points_.gather(part, frame, block_);
    std::copy(part.begin(), part.end(), stage_.ids + rows_);
    add_block(block_);
  }
  return first;
}

uint32_t BatchFiller::add_block(const graph::PointBlock& block) {
  ROX_CHECK(block.rows() <= room());
  const size_t first = rows_;
  for (size_t i = 0; i < block.rows(); ++i) {
    std::memcpy(stage_.codes + rows_ * stage_.stride, block.row(i), block.dim());
    stage_.norms[rows_++] = block.norms()[i];
  }
  return static_cast<uint32_t>(first);
}

void BatchFiller::add_queries(const QueryTile& queries) {
  for (uint32_t at = 0; at < queries.query_count; at += kTileQueries) {
    tiles_.push_back({queries.query_first + at, std::min(kTileQueries, queries.query_count - at),
                      queries.row_first, queries.row_count});
  }
}

NearestBatch BatchFiller::batch(size_t k, bool skip_self) const {
  return {.row_count = rows_,
          .is_of_cell = is_of_cell_,
          .tiles = tiles_,
          .k = k,
          .skip_self = skip_self};
}

}  // namespace roxanne::accel
