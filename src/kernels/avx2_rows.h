// AVX2 with FMA and F16C: one query to many rows. Included by avx2.cc only.
//
// Bytes are widened to 16 bits, whose products vpmaddwd adds in pairs, exactly.
#pragma once

#include <immintrin.h>

#include "kernels/rows_driver.h"

namespace roxanne::kernels {
namespace {

// kLastBytes + n masks the last n of 16 bytes. The end of a vector is loaded together with elements
// before it, which were summed already and are masked away: nothing past the vector is read.
alignas(64) constexpr uint8_t kLastBytes[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

ROX_INLINE __m128i load_16_bytes(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}

// The first `bytes` < 16 at p, then zeros. Slow; for vectors of less than a register.
ROX_INLINE __m128i load_first_bytes(const void* p, size_t bytes) {
  alignas(16) uint8_t buffer[16] = {};
  const auto* from = static_cast<const uint8_t*>(p);
  for (size_t b = 0; b < bytes; ++b) buffer[b] = from[b];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(buffer));
}

// The last `rest` < 16 of the `bytes` of a vector and zeros.
ROX_INLINE __m128i load_last_bytes(const void* vector, size_t bytes, size_t rest) {
  const auto* end = static_cast<const uint8_t*>(vector) + bytes;
  if (bytes < 16) return load_first_bytes(end - rest, rest);
  return _mm_and_si128(load_16_bytes(end - 16), load_16_bytes(kLastBytes + rest));
}

struct LoadF32 {
  using Element = float;
  static constexpr size_t kLanes = 8;
  static ROX_INLINE __m256 full(const float* p) { return _mm256_loadu_ps(p); }
  static ROX_INLINE __m256 first(const float* p, size_t count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
    return _mm256_maskload_ps(p, mask);
  }
  // In the lanes where LoadF16::tail has them.
  static ROX_INLINE __m256 tail(const float* vector, size_t dim) {
    if (dim < kLanes) return first(vector, dim);
    const __m256i places = _mm256_setr_epi32(8, 7, 6, 5, 4, 3, 2, 1);
    const __m256i rest = _mm256_set1_epi32(static_cast<int>(dim % kLanes + 1));
    const __m256 last = _mm256_loadu_ps(vector + dim - kLanes);
    return _mm256_and_ps(last, _mm256_castsi256_ps(_mm256_cmpgt_epi32(rest, places)));
  }
};

struct LoadF16 {
  using Element = uint16_t;
  static constexpr size_t kLanes = 8;
  static ROX_INLINE __m256 full(const uint16_t* p) { return _mm256_cvtph_ps(load_16_bytes(p)); }
  static ROX_INLINE __m256 tail(const uint16_t* vector, size_t dim) {
    return _mm256_cvtph_ps(load_last_bytes(vector, dim * 2, dim % kLanes * 2));
  }
};

struct LoadU8 {
  using Element = uint8_t;
  static constexpr size_t kLanes = 16;
  static ROX_INLINE __m256i full(const uint8_t* p) {
    return _mm256_cvtepu8_epi16(load_16_bytes(p));
  }
  static ROX_INLINE __m256i tail(const uint8_t* vector, size_t dim) {
    return _mm256_cvtepu8_epi16(load_last_bytes(vector, dim, dim % kLanes));
  }
};

struct LoadI8 {
  using Element = int8_t;
  static constexpr size_t kLanes = 16;
  static ROX_INLINE __m256i full(const int8_t* p) { return _mm256_cvtepi8_epi16(load_16_bytes(p)); }
  static ROX_INLINE __m256i tail(const int8_t* vector, size_t dim) {
    return _mm256_cvtepi8_epi16(load_last_bytes(vector, dim, dim % kLanes));
  }
};

// Totals of floats: within 128-bit lanes first, then across them, for one row as for four.
struct FloatSums {
  using Chunk = __m256;
  using Sum = __m256;
  using Out = float;
  static ROX_INLINE __m256 zero() { return _mm256_setzero_ps(); }
  static ROX_INLINE __m256 add(__m256 a, __m256 b) { return _mm256_add_ps(a, b); }

  static ROX_INLINE __m128 across_lanes(__m256 sums) {
    return _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
  }
  static ROX_INLINE void store(const __m256 (&sums)[1], float bias, float* out) {
    const __m256 pairs = add(sums[0], _mm256_permute_ps(sums[0], 0x4e));
    const __m256 quads = add(pairs, _mm256_permute_ps(pairs, 0xb1));
    *out = _mm_cvtss_f32(across_lanes(quads)) + bias;
  }
  static ROX_INLINE void store(const __m256 (&sums)[4], float bias, float* out) {
    const __m256 ab =
        add(_mm256_unpacklo_ps(sums[0], sums[1]), _mm256_unpackhi_ps(sums[0], sums[1]));
    const __m256 cd =
        add(_mm256_unpacklo_ps(sums[2], sums[3]), _mm256_unpackhi_ps(sums[2], sums[3]));
    const __m256 abcd = add(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    _mm_storeu_ps(out, _mm_add_ps(across_lanes(abcd), _mm_set1_ps(bias)));
  }
};

struct IntSums {
  using Chunk = __m256i;
  using Sum = __m256i;
  using Out = int32_t;
  static ROX_INLINE __m256i zero() { return _mm256_setzero_si256(); }
  static ROX_INLINE __m256i add(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }

  static ROX_INLINE __m128i across_lanes(__m256i sums) {
    return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  }
  static ROX_INLINE void store(const __m256i (&sums)[1], int32_t bias, int32_t* out) {
    const __m128i quad = across_lanes(sums[0]);
    const __m128i pair = _mm_add_epi32(quad, _mm_shuffle_epi32(quad, 0x4e));
    *out = _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32(pair, 0xb1))) + bias;
  }
  static ROX_INLINE void store(const __m256i (&sums)[4], int32_t bias, int32_t* out) {
    const __m256i ab = _mm256_hadd_epi32(sums[0], sums[1]);
    const __m256i cd = _mm256_hadd_epi32(sums[2], sums[3]);
    const __m128i totals =
        _mm_add_epi32(across_lanes(_mm256_hadd_epi32(ab, cd)), _mm_set1_epi32(bias));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), totals);
  }
};

template <typename QueryLoad, typename RowLoad, typename Sums>
struct Op : Sums {
  using Query = typename QueryLoad::Element;
  using Row = typename RowLoad::Element;
  static constexpr size_t kLanes = RowLoad::kLanes;
  static constexpr size_t kSumsPerRow = 2;
  static constexpr size_t kRowsTogether = 4;
  using Chunk = typename Sums::Chunk;
  static ROX_INLINE Chunk query(const Query* p) { return QueryLoad::full(p); }
  static ROX_INLINE Chunk row(const Row* p) { return RowLoad::full(p); }
  static ROX_INLINE Chunk query_tail(const Query* vector, size_t dim) {
    return QueryLoad::tail(vector, dim);
  }
  static ROX_INLINE Chunk row_tail(const Row* vector, size_t dim) {
    return RowLoad::tail(vector, dim);
  }
  static ROX_INLINE typename Sums::Out bias(const Query*, size_t) { return 0; }
};

template <typename RowLoad>
struct FloatDot : Op<LoadF32, RowLoad, FloatSums> {
  static ROX_INLINE __m256 step(__m256 sum, __m256 query, __m256 row) {
    return _mm256_fmadd_ps(query, row, sum);
  }
};

template <typename RowLoad>
struct FloatL2 : Op<LoadF32, RowLoad, FloatSums> {
  static ROX_INLINE __m256 step(__m256 sum, __m256 query, __m256 row) {
    const __m256 difference = _mm256_sub_ps(query, row);
    return _mm256_fmadd_ps(difference, difference, sum);
  }
};

template <typename Load>
struct IntDot : Op<Load, Load, IntSums> {
  static ROX_INLINE __m256i step(__m256i sum, __m256i query, __m256i row) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(query, row));
  }
};

template <typename Load>
struct IntL2 : Op<Load, Load, IntSums> {
  static ROX_INLINE __m256i step(__m256i sum, __m256i query, __m256i row) {
    const __m256i difference = _mm256_sub_epi16(query, row);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(difference, difference));
  }
};

}  // namespace
}  // namespace roxanne::kernels
