// AVX-512: one query to many rows. Included by avx512.cc only.
//
// L2 of bytes squares 16-bit differences with vpdpwssd, dots of bytes use vpdpbusd (the variant
// that does not saturate) on u8 times s8; both are exact.
#pragma once

#include <immintrin.h>

#include "kernels/rows_driver.h"

namespace roxanne::kernels {
namespace {

ROX_INLINE __mmask16 first16(size_t count) { return static_cast<__mmask16>((1u << count) - 1); }
ROX_INLINE __mmask32 first32(size_t count) {
  return static_cast<__mmask32>((uint64_t{1} << count) - 1);
}
// count < 64
ROX_INLINE __mmask64 first64(size_t count) { return (uint64_t{1} << count) - 1; }

// Loaders: kLanes elements, or the last dim % kLanes of a vector. A masked load does not touch what
// its mask leaves out.
struct LoadF32 {
  using Element = float;
  static constexpr size_t kLanes = 16;
  static ROX_INLINE __m512 full(const float* p) { return _mm512_loadu_ps(p); }
  static ROX_INLINE __m512 tail(const float* vector, size_t dim) {
    const size_t rest = dim % kLanes;
    return _mm512_maskz_loadu_ps(first16(rest), vector + dim - rest);
  }
};

struct LoadF16 {
  using Element = uint16_t;
  static constexpr size_t kLanes = 16;
  static ROX_INLINE __m512 full(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static ROX_INLINE __m512 tail(const uint16_t* vector, size_t dim) {
    const size_t rest = dim % kLanes;
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first16(rest), vector + dim - rest));
  }
};

struct LoadU8Wide {
  using Element = uint8_t;
  static constexpr size_t kLanes = 32;
  static ROX_INLINE __m512i full(const uint8_t* p) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static ROX_INLINE __m512i tail(const uint8_t* vector, size_t dim) {
    const size_t rest = dim % kLanes;
    return _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(first32(rest), vector + dim - rest));
  }
};

struct LoadI8Wide {
  using Element = int8_t;
  static constexpr size_t kLanes = 32;
  static ROX_INLINE __m512i full(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static ROX_INLINE __m512i tail(const int8_t* vector, size_t dim) {
    const size_t rest = dim % kLanes;
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(first32(rest), vector + dim - rest));
  }
};

template <typename T>
struct LoadBytes {
  using Element = T;
  static constexpr size_t kLanes = 64;
  static ROX_INLINE __m512i full(const T* p) { return _mm512_loadu_si512(p); }
  static ROX_INLINE __m512i tail(const T* vector, size_t dim) {
    const size_t rest = dim % kLanes;
    return _mm512_maskz_loadu_epi8(first64(rest), vector + dim - rest);
  }
};

// Totals of floats: within 128-bit lanes first, then across them, for one row as for four.
struct FloatSums {
  using Chunk = __m512;
  using Sum = __m512;
  using Out = float;
  static ROX_INLINE __m512 zero() { return _mm512_setzero_ps(); }
  static ROX_INLINE __m512 add(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }

  static ROX_INLINE __m128 across_lanes(__m512 sums) {
    const __m256 high = _mm512_extractf32x8_ps(sums, 1);
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(sums), high);
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  }
  static ROX_INLINE void store(const __m512 (&sums)[1], float bias, float* out) {
    const __m512 pairs = _mm512_add_ps(sums[0], _mm512_permute_ps(sums[0], 0x4e));
    const __m512 quads = _mm512_add_ps(pairs, _mm512_permute_ps(pairs, 0xb1));
    *out = _mm_cvtss_f32(across_lanes(quads)) + bias;
  }
  static ROX_INLINE void store(const __m512 (&sums)[4], float bias, float* out) {
    const __m512 ab =
        _mm512_add_ps(_mm512_unpacklo_ps(sums[0], sums[1]), _mm512_unpackhi_ps(sums[0], sums[1]));
    const __m512 cd =
        _mm512_add_ps(_mm512_unpacklo_ps(sums[2], sums[3]), _mm512_unpackhi_ps(sums[2], sums[3]));
    const __m512 abcd =
        _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
    _mm_storeu_ps(out, _mm_add_ps(across_lanes(abcd), _mm_set1_ps(bias)));
  }
};

struct IntSums {
  using Chunk = __m512i;
  using Sum = __m512i;
  using Out = int32_t;
  static ROX_INLINE __m512i zero() { return _mm512_setzero_si512(); }
  static ROX_INLINE __m512i add(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }

  static ROX_INLINE __m128i across_lanes(__m512i sums) {
    const __m256i high = _mm512_extracti64x4_epi64(sums, 1);
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(sums), high);
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }
  static ROX_INLINE int32_t total(__m512i sums) {
    const __m128i quad = across_lanes(sums);
    const __m128i pair = _mm_add_epi32(quad, _mm_shuffle_epi32(quad, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32(pair, 0xb1)));
  }
  static ROX_INLINE void store(const __m512i (&sums)[1], int32_t bias, int32_t* out) {
    *out = total(sums[0]) + bias;
  }
  static ROX_INLINE void store(const __m512i (&sums)[4], int32_t bias, int32_t* out) {
    const __m512i ab =
        add(_mm512_unpacklo_epi32(sums[0], sums[1]), _mm512_unpackhi_epi32(sums[0], sums[1]));
    const __m512i cd =
        add(_mm512_unpacklo_epi32(sums[2], sums[3]), _mm512_unpackhi_epi32(sums[2], sums[3]));
    const __m512i abcd = add(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m128i totals = _mm_add_epi32(across_lanes(abcd), _mm_set1_epi32(bias));
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
  static ROX_INLINE __m512 step(__m512 sum, __m512 query, __m512 row) {
    return _mm512_fmadd_ps(query, row, sum);
  }
};

template <typename RowLoad>
struct FloatL2 : Op<LoadF32, RowLoad, FloatSums> {
  static ROX_INLINE __m512 step(__m512 sum, __m512 query, __m512 row) {
    const __m512 difference = _mm512_sub_ps(query, row);
    return _mm512_fmadd_ps(difference, difference, sum);
  }
};

template <typename Load>
struct WideDot : Op<Load, Load, IntSums> {
  static ROX_INLINE __m512i step(__m512i sum, __m512i query, __m512i row) {
    return _mm512_dpwssd_epi32(sum, query, row);
  }
};

template <typename Load>
struct WideL2 : Op<Load, Load, IntSums> {
  static ROX_INLINE __m512i step(__m512i sum, __m512i query, __m512i row) {
    const __m512i difference = _mm512_sub_epi16(query, row);
    return _mm512_dpwssd_epi32(sum, difference, difference);
  }
};

ROX_INLINE __m512i flip_signs(__m512i bytes) {
  return _mm512_xor_si512(bytes, _mm512_set1_epi8(-128));
}

// vpdpbusd takes one unsigned and one signed factor. Flipping a byte's top bit moves it between the
// two by 128, so the sum is off by 128 times the sum of the other factor: the query's, once a call.
struct DotU8 : Op<LoadBytes<uint8_t>, LoadBytes<uint8_t>, IntSums> {
  static ROX_INLINE __m512i step(__m512i sum, __m512i query, __m512i row) {
    return _mm512_dpbusd_epi32(sum, query, flip_signs(row));
  }
  static ROX_INLINE int32_t bias(const uint8_t* query, size_t dim) {
    // -128 times the sum.
    const __m512i factor = _mm512_set1_epi8(-128);
    __m512i sums = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + kLanes <= dim; i += kLanes) {
      sums = _mm512_dpbusd_epi32(sums, Op::query(query + i), factor);
    }
    if (i < dim) sums = _mm512_dpbusd_epi32(sums, query_tail(query, dim), factor);
    return -total(sums);
  }
};

struct DotI8 : Op<LoadBytes<int8_t>, LoadBytes<int8_t>, IntSums> {
  static ROX_INLINE __m512i step(__m512i sum, __m512i query, __m512i row) {
    return _mm512_dpbusd_epi32(sum, flip_signs(row), query);
  }
  static ROX_INLINE int32_t bias(const int8_t* query, size_t dim) {
    const __m512i factor = _mm512_set1_epi8(-128);  // 128 as an unsigned byte
    __m512i sums = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + kLanes <= dim; i += kLanes) {
      sums = _mm512_dpbusd_epi32(sums, factor, Op::query(query + i));
    }
    if (i < dim) sums = _mm512_dpbusd_epi32(sums, factor, query_tail(query, dim));
    return -total(sums);
  }
};

}  // namespace
}  // namespace roxanne::kernels
