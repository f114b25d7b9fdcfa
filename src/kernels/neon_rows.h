// NEON of plain ARMv8-A: one query to many rows. Included by neon.cc only.
#pragma once

#include <arm_neon.h>

#include "kernels/rows_driver.h"

namespace roxanne::kernels {
namespace {

// kLastBytes + n masks the last n of 16 bytes. The end of a vector is loaded together with elements
// before it, which were summed already and are masked away: nothing past the vector is read.
alignas(64) constexpr uint8_t kLastBytes[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

// The last `rest` < 16 of the `bytes` of a vector and zeros.
ROX_INLINE uint8x16_t load_last_bytes(const void* vector, size_t bytes, size_t rest) {
  const auto* end = static_cast<const uint8_t*>(vector) + bytes;
  if (bytes >= 16) return vandq_u8(vld1q_u8(end - 16), vld1q_u8(kLastBytes + rest));
  uint8_t buffer[16] = {};
  for (size_t b = 0; b < rest; ++b) buffer[b] = end[b - rest];
  return vld1q_u8(buffer);
}

// Eight floats.
struct Floats {
  float32x4_t low, high;
};

struct LoadF32 {
  using Element = float;
  static constexpr size_t kLanes = 8;
  static ROX_INLINE Floats full(const float* p) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(p);
    return {vreinterpretq_f32_u8(vld1q_u8(bytes)), vreinterpretq_f32_u8(vld1q_u8(bytes + 16))};
  }
  static ROX_INLINE Floats tail(const float* vector, size_t dim) {
    const size_t rest = dim % kLanes;
    float buffer[kLanes] = {};
    __builtin_memcpy(buffer, vector + dim - rest, rest * sizeof(float));
    return full(buffer);
  }
};

struct LoadF16 {
  using Element = uint16_t;
  static constexpr size_t kLanes = 8;
  static ROX_INLINE Floats widen(uint8x16_t bytes) {
    const float16x8_t halves = vreinterpretq_f16_u8(bytes);
    return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
  }
  static ROX_INLINE Floats full(const uint16_t* p) {
    return widen(vld1q_u8(reinterpret_cast<const uint8_t*>(p)));
  }
  static ROX_INLINE Floats tail(const uint16_t* vector, size_t dim) {
    const size_t rest = dim % kLanes;
    uint16_t buffer[kLanes] = {};
    __builtin_memcpy(buffer, vector + dim - rest, rest * sizeof(uint16_t));
    return full(buffer);
  }
};

struct LoadU8 {
  using Element = uint8_t;
  static constexpr size_t kLanes = 16;
  static ROX_INLINE uint8x16_t full(const uint8_t* p) { return vld1q_u8(p); }
  static ROX_INLINE uint8x16_t tail(const uint8_t* vector, size_t dim) {
    return load_last_bytes(vector, dim, dim % kLanes);
  }
};

struct LoadI8 {
  using Element = int8_t;
  static constexpr size_t kLanes = 16;
  static ROX_INLINE int8x16_t full(const int8_t* p) { return vld1q_s8(p); }
  static ROX_INLINE int8x16_t tail(const int8_t* vector, size_t dim) {
    return vreinterpretq_s8_u8(load_last_bytes(vector, dim, dim % kLanes));
  }
};

struct FloatSums {
  using Chunk = Floats;
  using Sum = Floats;
  using Out = float;
  static ROX_INLINE Sum zero() { return {vdupq_n_f32(0), vdupq_n_f32(0)}; }
  static ROX_INLINE Sum add(const Sum& a, const Sum& b) {
    return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)};
  }
  static ROX_INLINE float32x4_t half(const Sum& sum) { return vaddq_f32(sum.low, sum.high); }
  static ROX_INLINE void store(const Sum (&sums)[1], float bias, float* out) {
    const float32x4_t pairs = vpaddq_f32(half(sums[0]), half(sums[0]));
    *out = vgetq_lane_f32(vpaddq_f32(pairs, pairs), 0) + bias;
  }
  static ROX_INLINE void store(const Sum (&sums)[4], float bias, float* out) {
    const float32x4_t ab = vpaddq_f32(half(sums[0]), half(sums[1]));
    const float32x4_t cd = vpaddq_f32(half(sums[2]), half(sums[3]));
    vst1q_f32(out, vaddq_f32(vpaddq_f32(ab, cd), vdupq_n_f32(bias)));
  }
};

struct IntSums {
  using Sum = int32x4_t;
  using Out = int32_t;
  static ROX_INLINE Sum zero() { return vdupq_n_s32(0); }
  static ROX_INLINE Sum add(Sum a, Sum b) { return vaddq_s32(a, b); }
  static ROX_INLINE void store(const Sum (&sums)[1], int32_t bias, int32_t* out) {
    *out = vaddvq_s32(sums[0]) + bias;
  }
  static ROX_INLINE void store(const Sum (&sums)[4], int32_t bias, int32_t* out) {
    const int32x4_t ab = vpaddq_s32(sums[0], sums[1]);
    const int32x4_t cd = vpaddq_s32(sums[2], sums[3]);
    vst1q_s32(out, vaddq_s32(vpaddq_s32(ab, cd), vdupq_n_s32(bias)));
  }
};

template <typename QueryLoad, typename RowLoad, typename ChunkType, typename Sums>
struct Op : Sums {
  using Query = typename QueryLoad::Element;
  using Row = typename RowLoad::Element;
  static constexpr size_t kLanes = RowLoad::kLanes;
  static constexpr size_t kSumsPerRow = 2;
  static constexpr size_t kRowsTogether = 4;
  using Chunk = ChunkType;
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
struct FloatDot : Op<LoadF32, RowLoad, Floats, FloatSums> {
  static ROX_INLINE Floats step(const Floats& sum, const Floats& query, const Floats& row) {
    return {vfmaq_f32(sum.low, query.low, row.low), vfmaq_f32(sum.high, query.high, row.high)};
  }
};

template <typename RowLoad>
struct FloatL2 : Op<LoadF32, RowLoad, Floats, FloatSums> {
  static ROX_INLINE Floats step(const Floats& sum, const Floats& query, const Floats& row) {
    const float32x4_t low = vsubq_f32(query.low, row.low);
    const float32x4_t high = vsubq_f32(query.high, row.high);
    return {vfmaq_f32(sum.low, low, low), vfmaq_f32(sum.high, high, high)};
  }
};

// Products of bytes fit 16 bits, unsigned ones just so; they are added in pairs to 32 bits.
ROX_INLINE int32x4_t add_products(int32x4_t sum, uint8x16_t a, uint8x16_t b) {
  uint32x4_t total = vreinterpretq_u32_s32(sum);
  total = vpadalq_u16(total, vmull_u8(vget_low_u8(a), vget_low_u8(b)));
  return vreinterpretq_s32_u32(vpadalq_u16(total, vmull_high_u8(a, b)));
}

struct DotU8 : Op<LoadU8, LoadU8, uint8x16_t, IntSums> {
  static ROX_INLINE int32x4_t step(int32x4_t sum, uint8x16_t query, uint8x16_t row) {
    return add_products(sum, query, row);
  }
};

struct DotI8 : Op<LoadI8, LoadI8, int8x16_t, IntSums> {
  static ROX_INLINE int32x4_t step(int32x4_t sum, int8x16_t query, int8x16_t row) {
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(query), vget_low_s8(row)));
    return vpadalq_s16(sum, vmull_high_s8(query, row));
  }
};

struct L2U8 : Op<LoadU8, LoadU8, uint8x16_t, IntSums> {
  static ROX_INLINE int32x4_t step(int32x4_t sum, uint8x16_t query, uint8x16_t row) {
    const uint8x16_t difference = vabdq_u8(query, row);
    return add_products(sum, difference, difference);
  }
};

struct L2I8 : Op<LoadI8, LoadI8, int8x16_t, IntSums> {
  static ROX_INLINE int32x4_t step(int32x4_t sum, int8x16_t query, int8x16_t row) {
    // The difference is cut to its low 8 bits; being at most 255 it is whole as an unsigned byte.
    const uint8x16_t difference = vreinterpretq_u8_s8(vabdq_s8(query, row));
    return add_products(sum, difference, difference);
  }
};

}  // namespace
}  // namespace roxanne::kernels
