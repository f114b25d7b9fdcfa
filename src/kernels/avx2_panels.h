// AVX2: many queries to many rows. Included by avx2.cc only.
//
// A tile is 16 rows by 6 queries: 12 registers of sums, 2 of rows, the rest for queries. f32 takes
// one dimension a step; bytes are widened to 16 bits when packed and take two, which vpmaddwd adds
// in the 32-bit lane of their row.
#pragma once

#include <immintrin.h>

#include "kernels/avx2_rows.h"
#include "kernels/panel_driver.h"

namespace roxanne::kernels {
namespace {

constexpr size_t kVectors = 2;  // registers of rows in a tile
constexpr size_t kVectorRows = 8;

// A step of a strip and of a group, in 32-bit words: a float, or two dimensions of 16 bits.
struct TileWords {
  static constexpr size_t kPanelRows = 64;
  static constexpr size_t kStripRows = kVectors * kVectorRows;
  static constexpr size_t kRowStepBytes = kStripRows * 4;
  static constexpr size_t kQueryStepBytes = kTileQueries * 4;
  static constexpr size_t kPanelHeaderBytes = 0;
  static constexpr size_t kGroupHeaderBytes = 0;
  static constexpr size_t kBlockSteps = 256;
};

struct TileF32 : TileWords {
  using Out = float;
  using QueryElement = float;
  static constexpr size_t kStepDims = 1;
  static float query_element(float value) { return value; }

  static void run(const TileJob<float>& job) {
    __m256 sums[kTileQueries][kVectors];
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) sums[q][v] = _mm256_setzero_ps();
    }
    const auto* rows = reinterpret_cast<const float*>(job.rows);
    const auto* queries = reinterpret_cast<const float*>(job.queries);
    for (size_t step = 0; step < job.step_count; ++step) {
      const __m256 row0 = _mm256_load_ps(rows);
      const __m256 row1 = _mm256_load_ps(rows + kVectorRows);
      ROX_UNROLL
      for (size_t q = 0; q < kTileQueries; ++q) {
        const __m256 query = _mm256_broadcast_ss(queries + q);
        sums[q][0] = _mm256_fmadd_ps(query, row0, sums[q][0]);
        sums[q][1] = _mm256_fmadd_ps(query, row1, sums[q][1]);
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
        if (!job.is_first) sums[q][v] = _mm256_add_ps(sums[q][v], _mm256_load_ps(out));
        _mm256_store_ps(out, sums[q][v]);
      }
    }
  }
};

template <typename T>
struct TileInt : TileWords {
  using Out = int32_t;
  using QueryElement = int16_t;
  static constexpr size_t kStepDims = 2;
  static int16_t query_element(T value) { return value; }

  static void run(const TileJob<int32_t>& job) {
    __m256i sums[kTileQueries][kVectors];
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) sums[q][v] = _mm256_setzero_si256();
    }
    const auto* rows = reinterpret_cast<const __m256i*>(job.rows);
    const auto* queries = reinterpret_cast<const int32_t*>(job.queries);
    for (size_t step = 0; step < job.step_count; ++step) {
      const __m256i row0 = _mm256_load_si256(rows);
      const __m256i row1 = _mm256_load_si256(rows + 1);
      ROX_UNROLL
      for (size_t q = 0; q < kTileQueries; ++q) {
        const __m256i query = _mm256_set1_epi32(queries[q]);
        sums[q][0] = _mm256_add_epi32(sums[q][0], _mm256_madd_epi16(query, row0));
        sums[q][1] = _mm256_add_epi32(sums[q][1], _mm256_madd_epi16(query, row1));
        // Without this g++ loads all queries first and is then short of registers for the sums.
        asm("" : "+x"(sums[q][0]), "+x"(sums[q][1]));
      }
      rows += kVectors;
      queries += kTileQueries;
    }
    ROX_UNROLL
    for (size_t q = 0; q < kTileQueries; ++q) {
      if (q >= job.query_count) break;
      ROX_UNROLL
      for (size_t v = 0; v < kVectors; ++v) {
        auto* out = reinterpret_cast<__m256i*>(job.out + q * job.out_stride + v * kVectorRows);
        if (!job.is_first) sums[q][v] = _mm256_add_epi32(sums[q][v], _mm256_load_si256(out));
        _mm256_store_si256(out, sums[q][v]);
      }
    }
  }
};

// Sources of packing: kElements elements of a row, or the first `count` of them and zeros, as
// 8 words that are a step each.
struct PackF32 {
  static constexpr size_t kElementBytes = 4;
  static constexpr size_t kElements = 8;
  static ROX_INLINE __m256i full(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static ROX_INLINE __m256i first(const uint8_t* p, size_t count) {
    return _mm256_castps_si256(LoadF32::first(reinterpret_cast<const float*>(p), count));
  }
};
struct PackF16 {
  static constexpr size_t kElementBytes = 2;
  static constexpr size_t kElements = 8;
  static ROX_INLINE __m256i full(const uint8_t* p) {
    return _mm256_castps_si256(_mm256_cvtph_ps(load_16_bytes(p)));
  }
  static ROX_INLINE __m256i first(const uint8_t* p, size_t count) {
    return _mm256_castps_si256(_mm256_cvtph_ps(load_first_bytes(p, count * 2)));
  }
};
struct PackU8 {
  static constexpr size_t kElementBytes = 1;
  static constexpr size_t kElements = 16;
  static ROX_INLINE __m256i full(const uint8_t* p) {
    return _mm256_cvtepu8_epi16(load_16_bytes(p));
  }
  static ROX_INLINE __m256i first(const uint8_t* p, size_t count) {
    return _mm256_cvtepu8_epi16(load_first_bytes(p, count));
  }
};
struct PackI8 {
  static constexpr size_t kElementBytes = 1;
  static constexpr size_t kElements = 16;
  static ROX_INLINE __m256i full(const uint8_t* p) {
    return _mm256_cvtepi8_epi16(load_16_bytes(p));
  }
  static ROX_INLINE __m256i first(const uint8_t* p, size_t count) {
    return _mm256_cvtepi8_epi16(load_first_bytes(p, count));
  }
};

// Word j of row i becomes word i of row j.
ROX_INLINE void transpose_words(__m256i (&rows)[8]) {
  __m256i t[8];
  ROX_UNROLL
  for (size_t i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  // rows[4k + c] holds, in 128-bit lane l, column 4l + c of rows 4k .. 4k + 3.
  ROX_UNROLL
  for (size_t i = 0; i < 8; i += 4) {
    rows[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  ROX_UNROLL
  for (size_t c = 0; c < 4; ++c) {
    t[c] = _mm256_permute2x128_si256(rows[c], rows[c + 4], 0x20);
    t[c + 4] = _mm256_permute2x128_si256(rows[c], rows[c + 4], 0x31);
  }
  ROX_UNROLL
  for (size_t i = 0; i < 8; ++i) rows[i] = t[i];
}

// Packs 8 rows of a strip, of which row_count are there.
template <typename Tile, typename Source>
void pack_rows(const uint8_t* rows, size_t row_count, size_t dim, uint8_t* to) {
  const size_t row_bytes = dim * Source::kElementBytes;
  const size_t steps = step_count<Tile>(dim);
  for (size_t step = 0; step < steps; step += 8) {
    const size_t i = step * Tile::kStepDims;
    __m256i words[8];
    for (size_t r = 0; r < 8; ++r) {
      const uint8_t* p = rows + r * row_bytes + i * Source::kElementBytes;
      if (r >= row_count) {
        words[r] = _mm256_setzero_si256();
      } else if (dim - i >= Source::kElements) {
        words[r] = Source::full(p);
      } else {
        words[r] = Source::first(p, dim - i);
      }
    }
    transpose_words(words);
    ROX_UNROLL
    for (size_t s = 0; s < 8; ++s) {
      auto* out = reinterpret_cast<__m256i*>(to + (step + s) * Tile::kRowStepBytes);
      if (step + s < steps) _mm256_store_si256(out, words[s]);
    }
  }
}

template <typename Tile, typename Source>
void pack_panel(const void* rows, size_t row_count, size_t dim, void* panel) {
  const auto* from = static_cast<const uint8_t*>(rows);
  for (size_t row = 0; row < Tile::kPanelRows; row += kVectorRows) {
    const size_t count = row < row_count ? row_count - row : 0;
    const uint8_t* first = count == 0 ? from : from + row * dim * Source::kElementBytes;
    uint8_t* strip = static_cast<uint8_t*>(panel) + row / Tile::kStripRows * strip_bytes<Tile>(dim);
    pack_rows<Tile, Source>(first, count, dim, strip + row % Tile::kStripRows * 4);
  }
}

template <typename Tile, typename Source, typename Query>
constexpr PanelKernels<typename Tile::Out> kPanelOf =
    kPanel<Tile, pack_panel<Tile, Source>, interleave_queries<Tile, Query>>;

}  // namespace
}  // namespace roxanne::kernels
