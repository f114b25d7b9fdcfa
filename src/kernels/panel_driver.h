// Many queries to many rows: the loops that every vector instruction set shares. Included once by
// the file of each set and compiled with its flags; hence the anonymous namespace.
//
// A panel holds strips of kStripRows rows, a prepared block holds groups of kTileQueries queries.
// Both are interleaved: a step covers kStepDims dimensions, first those of row 0, then those of
// row 1, ... so that a register's lanes are different rows, sums stay in their lanes, and one
// tile's sums fill the register file.
//
//   panel:    header, then strip by strip its steps
//   prepared: group by group a header, then its steps, padded to 64 bytes
//
// A set provides `Tile`s:
//   Out, kPanelRows, kStripRows, kStepDims
//   kRowStepBytes, kQueryStepBytes       one step of a strip, of a group
//   kPanelHeaderBytes, kGroupHeaderBytes corrections
//   kBlockSteps                          steps a tile sums before its strip makes way in the cache
//   run(TileJob)                         sums one tile and stores it
#pragma once

#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

constexpr size_t kTileQueries = 6;
static_assert(kQueryGroup % kTileQueries == 0);

constexpr size_t round_up_64(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <typename Out>
struct TileJob {
  const uint8_t* rows;     // the strip's first step to sum
  const uint8_t* queries;  // the group's
  const uint8_t* panel_header;
  const uint8_t* group_header;
  size_t step_count;
  bool is_first;       // store the sums; otherwise add them to what is there
  size_t query_count;  // queries to store, 1..kTileQueries
  Out* out;
  size_t out_stride;
};

template <typename Tile>
size_t step_count(size_t dim) {
  return (dim + Tile::kStepDims - 1) / Tile::kStepDims;
}

template <typename Tile>
size_t group_bytes(size_t dim) {
  return round_up_64(Tile::kGroupHeaderBytes + step_count<Tile>(dim) * Tile::kQueryStepBytes);
}

template <typename Tile>
size_t strip_bytes(size_t dim) {
  return step_count<Tile>(dim) * Tile::kRowStepBytes;
}

template <typename Tile>
size_t panel_bytes(size_t dim) {
  constexpr size_t kStrips = Tile::kPanelRows / Tile::kStripRows;
  return round_up_64(Tile::kPanelHeaderBytes + kStrips * strip_bytes<Tile>(dim));
}

template <typename Tile>
size_t prepared_bytes(size_t query_count, size_t dim) {
  return (query_count + kTileQueries - 1) / kTileQueries * group_bytes<Tile>(dim);
}

template <typename Tile>
void panel_dot(const void* panel, const void* prepared, size_t first_query, size_t query_count,
               size_t dim, typename Tile::Out* out, size_t out_stride) {
  const auto* strips = static_cast<const uint8_t*>(panel) + Tile::kPanelHeaderBytes;
  const auto* groups =
      static_cast<const uint8_t*>(prepared) + first_query / kTileQueries * group_bytes<Tile>(dim);
  const size_t steps = step_count<Tile>(dim);
  TileJob<typename Tile::Out> job = {};
  job.out_stride = out_stride;
  job.panel_header = static_cast<const uint8_t*>(panel);
  for (size_t step = 0; step < steps; step += Tile::kBlockSteps) {
    job.is_first = step == 0;
    job.step_count = steps - step < Tile::kBlockSteps ? steps - step : Tile::kBlockSteps;
    for (size_t row = 0; row < Tile::kPanelRows; row += Tile::kStripRows) {
      job.rows =
          strips + row / Tile::kStripRows * strip_bytes<Tile>(dim) + step * Tile::kRowStepBytes;
      for (size_t q = 0; q < query_count; q += kTileQueries) {
        job.group_header = groups + q / kTileQueries * group_bytes<Tile>(dim);
        job.queries = job.group_header + Tile::kGroupHeaderBytes + step * Tile::kQueryStepBytes;
        job.query_count = query_count - q < kTileQueries ? query_count - q : kTileQueries;
        job.out = out + q * out_stride + row;
        Tile::run(job);
      }
    }
  }
}

// Prepares groups of queries element by element: Tile::Element each, queries of step s and query q
// at [s][q][element of the step]. Missing queries and dimensions are zeros. Queries come at any
// alignment.
template <typename Tile, typename Query>
void interleave_queries(const void* queries, size_t query_count, size_t dim, void* prepared) {
  using Element = typename Tile::QueryElement;
  const auto* from = static_cast<const uint8_t*>(queries);
  const size_t steps = step_count<Tile>(dim);
  for (size_t first = 0; first < query_count; first += kTileQueries) {
    uint8_t* group =
        static_cast<uint8_t*>(prepared) + first / kTileQueries * group_bytes<Tile>(dim);
    auto* to = reinterpret_cast<Element*>(group + Tile::kGroupHeaderBytes);
    const size_t count = query_count - first < kTileQueries ? query_count - first : kTileQueries;
    for (size_t q = 0; q < kTileQueries; ++q) {
      const uint8_t* row = from + (first + (q < count ? q : 0)) * dim * sizeof(Query);
      const size_t row_dim = q < count ? dim : 0;
      for (size_t step = 0; step < steps; ++step) {
        const size_t i = step * Tile::kStepDims;
        Query values[Tile::kStepDims] = {};
        if (i + Tile::kStepDims <= row_dim) {
          __builtin_memcpy(values, row + i * sizeof(Query), sizeof values);
        } else if (i < row_dim) {
          __builtin_memcpy(values, row + i * sizeof(Query), (row_dim - i) * sizeof(Query));
        }
        Element* out = to + step * (Tile::kQueryStepBytes / sizeof(Element)) + q * Tile::kStepDims;
        ROX_UNROLL
        for (size_t e = 0; e < Tile::kStepDims; ++e) out[e] = Tile::query_element(values[e]);
      }
    }
  }
}

template <typename Tile, void (*kPack)(const void*, size_t, size_t, void*),
          void (*kPrepare)(const void*, size_t, size_t, void*)>
constexpr PanelKernels<typename Tile::Out> kPanel = {
    Tile::kPanelRows, panel_bytes<Tile>, kPack, prepared_bytes<Tile>, kPrepare, panel_dot<Tile>,
};

}  // namespace
}  // namespace roxanne::kernels
