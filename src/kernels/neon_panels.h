// NEON: many queries to many rows. Included by neon.cc only.
//
// A tile is 16 rows by 6 queries: 24 registers of sums. A step is one dimension, of floats or of
// bytes widened to 16 bits when packed.
#pragma once

#include <arm_neon.h>

#include "kernels/neon_rows.h"
#include "kernels/panel_driver.h"

namespace roxanne::kernels {
namespace {

constexpr size_t kVectors = 4;  // registers of sums a query has in a tile
constexpr size_t kVectorRows = 4;

struct TileShape {
  static constexpr size_t kPanelRows = 64;
  static constexpr size_t kStripRows = kVectors * kVectorRows;
  static constexpr size_t kStepDims = 1;
  static constexpr size_t kPanelHeaderBytes = 0;
  static constexpr size_t kGroupHeaderBytes = 0;
  static constexpr size_t kBlockSteps = 256;
};

struct TileF32 : TileShape {
  using Out = float;
  using RowElement = float;
  using QueryElement = float;
  static constexpr size_t kRowStepBytes = kStripRows * sizeof(float);
  static constexpr size_t kQueryStepBytes = kTileQueries * sizeof(float);
  static float query_element(float value) { return value; }

  static void run(const TileJob<float>& job) {
    float32x4_t sums[kTileQueries][kVectors];
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) sums[q][v] = vdupq_n_f32(0);
    }
    const auto* rows = reinterpret_cast<const float*>(job.rows);
    const auto* queries = reinterpret_cast<const float*>(job.queries);
    for (size_t step = 0; step < job.step_count; ++step) {
      float32x4_t row[kVectors];
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) row[v] = vld1q_f32(rows + v * kVectorRows);
      ROX_UNROLL
      for (size_t q = 0; q < kTileQueries; ++q) {
        ROX_UNROLL
        for (size_t v = 0; v < kVectors; ++v) {
          sums[q][v] = vfmaq_n_f32(sums[q][v], row[v], queries[q]);
        }
      }
      rows += kStripRows;
      queries += kTileQueries;
    }
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      if (q >= job.query_count) break;
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) {
        float* out = job.out + q * job.out_stride + v * kVectorRows;
        if (!job.is_first) sums[q][v] = vaddq_f32(sums[q][v], vld1q_f32(out));
        vst1q_f32(out, sums[q][v]);
      }
    }
  }
};

template <typename T>
struct TileInt : TileShape {
  using Out = int32_t;
  using RowElement = int16_t;
  using QueryElement = int16_t;
  static constexpr size_t kRowStepBytes = kStripRows * sizeof(int16_t);
  static constexpr size_t kQueryStepBytes = kTileQueries * sizeof(int16_t);
  static int16_t query_element(T value) { return value; }

  static void run(const TileJob<int32_t>& job) {
    int32x4_t sums[kTileQueries][kVectors];
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) sums[q][v] = vdupq_n_s32(0);
    }
    const auto* rows = reinterpret_cast<const int16_t*>(job.rows);
    const auto* queries = reinterpret_cast<const int16_t*>(job.queries);
    for (size_t step = 0; step < job.step_count; ++step) {
      const int16x8_t row0 = vld1q_s16(rows);
      const int16x8_t row1 = vld1q_s16(rows + 8);
      ROX_UNROLL
      for (size_t q = 0; q < kTileQueries; ++q) {
        const int16_t query = queries[q];
        sums[q][0] = vmlal_n_s16(sums[q][0], vget_low_s16(row0), query);
        sums[q][1] = vmlal_high_n_s16(sums[q][1], row0, query);
        sums[q][2] = vmlal_n_s16(sums[q][2], vget_low_s16(row1), query);
        sums[q][3] = vmlal_high_n_s16(sums[q][3], row1, query);
      }
      rows += kStripRows;
      queries += kTileQueries;
    }
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      if (q >= job.query_count) break;
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) {
        int32_t* out = job.out + q * job.out_stride + v * kVectorRows;
        if (!job.is_first) sums[q][v] = vaddq_s32(sums[q][v], vld1q_s32(out));
        vst1q_s32(out, sums[q][v]);
      }
    }
  }
};

// Elements of rows as a panel holds them.
template <typename T>
struct Source {
  using Element = T;
  static T convert(T value) { return value; }
};
struct SourceF16 {
  using Element = uint16_t;
  static float convert(uint16_t value) {
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(value))), 0);
  }
};

template <typename Tile, typename Source>
void pack_panel(const void* rows, size_t row_count, size_t dim, void* panel) {
  using From = typename Source::Element;
  using To = typename Tile::RowElement;
  const auto* from = static_cast<const uint8_t*>(rows);
  for (size_t row = 0; row < Tile::kPanelRows; ++row) {
    uint8_t* strip = static_cast<uint8_t*>(panel) + row / Tile::kStripRows * strip_bytes<Tile>(dim);
    To* to = reinterpret_cast<To*>(strip) + row % Tile::kStripRows;
    for (size_t i = 0; i < dim; ++i) {
      From value = 0;
      if (row < row_count) {
        __builtin_memcpy(&value, from + (row * dim + i) * sizeof(From), sizeof(From));
      }
      to[i * Tile::kStripRows] = Source::convert(value);
    }
  }
}

template <typename Tile, typename Source, typename Query>
constexpr PanelKernels<typename Tile::Out> kPanelOf =
    kPanel<Tile, pack_panel<Tile, Source>, interleave_queries<Tile, Query>>;

}  // namespace
}  // namespace roxanne::kernels
