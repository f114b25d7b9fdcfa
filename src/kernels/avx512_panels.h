// AVX-512: many queries to many rows. Included by avx512.cc only.
//
// A tile is 64 rows by 6 queries: 24 registers of sums, 4 of rows, the rest for queries. f32 takes
// one dimension a step; bytes take four, which vpdpbusd sums into the 32-bit lane of their row.
// Its factors are unsigned rows and signed queries, so one of the two is moved by 128:
//   u8: query - 128, and the panel's header adds 128 * sum(row)
//   i8: row + 128, and the group's header adds -128 * sum(query)
#pragma once

#include <immintrin.h>

#include "kernels/avx512_rows.h"
#include "kernels/panel_driver.h"

namespace roxanne::kernels {
namespace {

constexpr size_t kVectors = 4;  // registers of rows in a tile
constexpr size_t kVectorRows = 16;

struct TileF32 {
  using Out = float;
  using QueryElement = float;
  static constexpr size_t kPanelRows = kVectors * kVectorRows;
  static constexpr size_t kStripRows = kPanelRows;
  static constexpr size_t kStepDims = 1;
  static constexpr size_t kRowStepBytes = kStripRows * sizeof(float);
  static constexpr size_t kQueryStepBytes = kTileQueries * sizeof(float);
  static constexpr size_t kPanelHeaderBytes = 0;
  static constexpr size_t kGroupHeaderBytes = 0;
  static constexpr size_t kBlockSteps = 256;

  static float query_element(float value) { return value; }

  static void run(const TileJob<float>& job) {
    __m512 sums[kTileQueries][kVectors];
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) sums[q][v] = _mm512_setzero_ps();
    }
    const auto* rows = reinterpret_cast<const float*>(job.rows);
    const auto* queries = reinterpret_cast<const float*>(job.queries);
    for (size_t step = 0; step < job.step_count; ++step) {
      __m512 row[kVectors];
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) row[v] = _mm512_load_ps(rows + v * kVectorRows);
      ROX_UNROLL
      for (size_t q = 0; q < kTileQueries; ++q) {
        const __m512 query = _mm512_set1_ps(queries[q]);
        ROX_UNROLL
        for (size_t v = 0; v < kVectors; ++v) {
          sums[q][v] = _mm512_fmadd_ps(query, row[v], sums[q][v]);
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
        if (!job.is_first) sums[q][v] = _mm512_add_ps(sums[q][v], _mm512_load_ps(out));
        _mm512_store_ps(out, sums[q][v]);
      }
    }
  }
};

struct TileBytes {
  using Out = int32_t;
  using QueryElement = uint8_t;
  static constexpr size_t kPanelRows = kVectors * kVectorRows;
  static constexpr size_t kStripRows = kPanelRows;
  static constexpr size_t kStepDims = 4;
  static constexpr size_t kRowStepBytes = kStripRows * kStepDims;
  static constexpr size_t kQueryStepBytes = kTileQueries * kStepDims;
  static constexpr size_t kPanelHeaderBytes = kPanelRows * sizeof(int32_t);
  static constexpr size_t kGroupHeaderBytes = 64;  // an int32 a query
  static constexpr size_t kBlockSteps = 256;

  static void run(const TileJob<int32_t>& job) {
    __m512i sums[kTileQueries][kVectors];
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) sums[q][v] = _mm512_setzero_si512();
    }
    const uint8_t* rows = job.rows;
    const auto* queries = reinterpret_cast<const int32_t*>(job.queries);
    for (size_t step = 0; step < job.step_count; ++step) {
      __m512i row[kVectors];
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) row[v] = _mm512_load_si512(rows + v * 64);
      ROX_UNROLL
      for (size_t q = 0; q < kTileQueries; ++q) {
        const __m512i query = _mm512_set1_epi32(queries[q]);
        ROX_UNROLL
        for (size_t v = 0; v < kVectors; ++v) {
          sums[q][v] = _mm512_dpbusd_epi32(sums[q][v], row[v], query);
        }
      }
      rows += kRowStepBytes;
      queries += kTileQueries;
    }
    const auto* query_terms = reinterpret_cast<const int32_t*>(job.group_header);
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      if (q >= job.query_count) break;
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) {
        int32_t* out = job.out + q * job.out_stride + v * kVectorRows;
        const __m512i row_terms = _mm512_load_si512(job.panel_header + v * 64);
        const __m512i before = job.is_first
                                   ? _mm512_add_epi32(row_terms, _mm512_set1_epi32(query_terms[q]))
                                   : _mm512_load_si512(out);
        _mm512_store_si512(out, _mm512_add_epi32(sums[q][v], before));
      }
    }
  }
};

struct TileU8 : TileBytes {
  static uint8_t query_element(uint8_t value) { return value ^ 0x80; }
};

struct TileI8 : TileBytes {
  static uint8_t query_element(int8_t value) { return static_cast<uint8_t>(value); }
};

// Sources of packing: `count` elements of a row, at most kElements, then zeros, as 16 words that
// are a step each.
struct PackF32 {
  static constexpr size_t kElementBytes = 4;
  static constexpr size_t kElements = 16;
  static ROX_INLINE __m512i load(const uint8_t* p, size_t count) {
    return _mm512_maskz_loadu_epi32(first16(count), p);
  }
};
struct PackF16 {
  static constexpr size_t kElementBytes = 2;
  static constexpr size_t kElements = 16;
  static ROX_INLINE __m512i load(const uint8_t* p, size_t count) {
    return _mm512_castps_si512(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first16(count), p)));
  }
};
struct PackU8 {
  static constexpr size_t kElementBytes = 1;
  static constexpr size_t kElements = 64;
  static ROX_INLINE __m512i load(const uint8_t* p, size_t count) {
    return _mm512_maskz_loadu_epi8(count < 64 ? first64(count) : ~uint64_t{0}, p);
  }
};
struct PackI8 : PackU8 {
  // Past the row's end this is 128, but there the queries are zero.
  static ROX_INLINE __m512i load(const uint8_t* p, size_t count) {
    return flip_signs(PackU8::load(p, count));
  }
};

// Word j of row i becomes word i of row j.
ROX_INLINE void transpose_words(__m512i (&rows)[16]) {
  __m512i t[16];
  ROX_UNROLL
  for (size_t i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  // rows[4k + c] holds, in 128-bit lane l, column 4l + c of rows 4k .. 4k + 3.
  ROX_UNROLL
  for (size_t i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // The lanes are then a 4 x 4 matrix to transpose, for each c.
  ROX_UNROLL
  for (size_t c = 0; c < 4; ++c) {
    t[c] = _mm512_shuffle_i32x4(rows[c], rows[c + 4], 0x88);
    t[c + 4] = _mm512_shuffle_i32x4(rows[c], rows[c + 4], 0xdd);
    t[c + 8] = _mm512_shuffle_i32x4(rows[c + 8], rows[c + 12], 0x88);
    t[c + 12] = _mm512_shuffle_i32x4(rows[c + 8], rows[c + 12], 0xdd);
  }
  ROX_UNROLL
  for (size_t c = 0; c < 4; ++c) {
    rows[c] = _mm512_shuffle_i32x4(t[c], t[c + 8], 0x88);
    rows[c + 8] = _mm512_shuffle_i32x4(t[c], t[c + 8], 0xdd);
    rows[c + 4] = _mm512_shuffle_i32x4(t[c + 4], t[c + 12], 0x88);
    rows[c + 12] = _mm512_shuffle_i32x4(t[c + 4], t[c + 12], 0xdd);
  }
}

template <typename Tile, typename Source>
void pack_words(const void* rows, size_t row_count, size_t dim, void* panel) {
  const auto* from = static_cast<const uint8_t*>(rows);
  uint8_t* to = static_cast<uint8_t*>(panel) + Tile::kPanelHeaderBytes;
  const size_t row_bytes = dim * Source::kElementBytes;
  const size_t steps = step_count<Tile>(dim);
  for (size_t first = 0; first < Tile::kPanelRows; first += 16) {
    for (size_t step = 0; step < steps; step += 16) {
      const size_t i = step * Tile::kStepDims;
      const size_t count = dim - i < Source::kElements ? dim - i : Source::kElements;
      __m512i words[16];
      ROX_UNROLL
      for (size_t r = 0; r < 16; ++r) {
        const bool is_there = first + r < row_count;
        const uint8_t* row = from + (is_there ? first + r : 0) * row_bytes;
        words[r] = Source::load(row + i * Source::kElementBytes, is_there ? count : 0);
      }
      transpose_words(words);
      uint8_t* out = to + step * Tile::kRowStepBytes + first * 4;
      ROX_UNROLL
      for (size_t s = 0; s < 16; ++s) {
        if (step + s < steps) _mm512_store_si512(out + s * Tile::kRowStepBytes, words[s]);
      }
    }
  }
}

void pack_f32(const void* rows, size_t row_count, size_t dim, void* panel) {
  pack_words<TileF32, PackF32>(rows, row_count, dim, panel);
}

void pack_f16(const void* rows, size_t row_count, size_t dim, void* panel) {
  pack_words<TileF32, PackF16>(rows, row_count, dim, panel);
}

void pack_u8(const void* rows, size_t row_count, size_t dim, void* panel) {
  pack_words<TileU8, PackU8>(rows, row_count, dim, panel);
  uint8_t* header = static_cast<uint8_t*>(panel);
  for (size_t v = 0; v < kVectors; ++v) {
    const uint8_t* words = header + TileU8::kPanelHeaderBytes + v * 64;
    __m512i sums = _mm512_setzero_si512();
    for (size_t step = 0; step < step_count<TileU8>(dim); ++step) {
      const __m512i word = _mm512_load_si512(words + step * TileU8::kRowStepBytes);
      sums = _mm512_dpbusd_epi32(sums, word, _mm512_set1_epi8(-128));
    }
    _mm512_store_si512(header + v * 64, _mm512_sub_epi32(_mm512_setzero_si512(), sums));
  }
}

void pack_i8(const void* rows, size_t row_count, size_t dim, void* panel) {
  pack_words<TileI8, PackI8>(rows, row_count, dim, panel);
  for (size_t v = 0; v < kVectors; ++v) {
    _mm512_store_si512(static_cast<uint8_t*>(panel) + v * 64, _mm512_setzero_si512());
  }
}

void prepare_f32(const void* queries, size_t query_count, size_t dim, void* prepared) {
  interleave_queries<TileF32, float>(queries, query_count, dim, prepared);
}

void prepare_u8(const void* queries, size_t query_count, size_t dim, void* prepared) {
  interleave_queries<TileU8, uint8_t>(queries, query_count, dim, prepared);
  auto* group = static_cast<uint8_t*>(prepared);
  for (size_t q = 0; q < query_count; q += kTileQueries, group += group_bytes<TileU8>(dim)) {
    _mm512_store_si512(group, _mm512_setzero_si512());
  }
}

void prepare_i8(const void* queries, size_t query_count, size_t dim, void* prepared) {
  interleave_queries<TileI8, int8_t>(queries, query_count, dim, prepared);
  auto* group = static_cast<uint8_t*>(prepared);
  for (size_t q = 0; q < query_count; q += kTileQueries, group += group_bytes<TileI8>(dim)) {
    const uint8_t* words = group + TileI8::kGroupHeaderBytes;
    __m256i sums = _mm256_setzero_si256();  // one query a lane; two lanes to spare
    for (size_t step = 0; step < step_count<TileI8>(dim); ++step) {
      const __m256i word = _mm256_maskz_loadu_epi32(0x3f, words + step * TileI8::kQueryStepBytes);
      sums = _mm256_dpbusd_epi32(sums, _mm256_set1_epi8(-128), word);  // as unsigned, 128
    }
    sums = _mm256_sub_epi32(_mm256_setzero_si256(), sums);
    _mm512_store_si512(group, _mm512_zextsi256_si512(sums));
  }
}

constexpr PanelKernels<float> kPanelF32 = kPanel<TileF32, pack_f32, prepare_f32>;
constexpr PanelKernels<float> kPanelF16 = kPanel<TileF32, pack_f16, prepare_f32>;
constexpr PanelKernels<int32_t> kPanelU8 = kPanel<TileU8, pack_u8, prepare_u8>;
constexpr PanelKernels<int32_t> kPanelI8 = kPanel<TileI8, pack_i8, prepare_i8>;

}  // namespace
}  // namespace roxanne::kernels
