// Kernels for NEON of plain ARMv8-A.
#include <arm_neon.h>

#include "kernels/neon_nibbles.h"
#include "kernels/neon_panels.h"
#include "kernels/neon_rows.h"
#include "kernels/plain_neighbour_codes.h"
#include "kernels/plain_nibble_dots.h"
#include "kernels/plain_product_codes.h"
#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

// Compare::passes(r) has all bits set in lane i where row r + i passes, i < 4; few do. n is a
// multiple of 16.
template <typename Compare>
ROX_INLINE size_t select(const Compare& compare, size_t n, uint32_t* out) {
  size_t count = 0;
  for (size_t r = 0; r < n; r += 16) {
    uint32x4_t lanes[4];
    ROX_UNROLL
    for (size_t v = 0; v < 4; ++v) lanes[v] = compare.passes(r + v * 4);
    const uint32x4_t any = vorrq_u32(vorrq_u32(lanes[0], lanes[1]), vorrq_u32(lanes[2], lanes[3]));
    if (__builtin_expect(vmaxvq_u32(any) == 0, 1)) continue;
    uint32_t passes[16];
    ROX_UNROLL
    for (size_t v = 0; v < 4; ++v) vst1q_u32(passes + v * 4, lanes[v]);
    for (size_t i = 0; i < 16; ++i) {
      if (passes[i] != 0) out[count++] = static_cast<uint32_t>(r + i);
    }
  }
  return count;
}

struct L2Float {
  const float* dots;
  const float* norms;
  float32x4_t bound;
  ROX_INLINE uint32x4_t passes(size_t r) const {
    const float32x4_t value =
        vfmsq_f32(vld1q_f32(norms + r), vdupq_n_f32(2.0f), vld1q_f32(dots + r));
    return vcleq_f32(value, bound);
  }
};

struct L2Int {
  const int32_t* dots;
  const int32_t* norms;
  int32x4_t bound;
  ROX_INLINE uint32x4_t passes(size_t r) const {
    const int32x4_t twice = vshlq_n_s32(vld1q_s32(dots + r), 1);
    return vcleq_s32(vsubq_s32(vld1q_s32(norms + r), twice), bound);
  }
};

struct ScaledFloat {
  const float* dots;
  const float* scales;
  float32x4_t bound;
  ROX_INLINE uint32x4_t passes(size_t r) const {
    return vcgeq_f32(vmulq_f32(vld1q_f32(dots + r), vld1q_f32(scales + r)), bound);
  }
};

struct ScaledInt {
  const int32_t* dots;
  const float* scales;
  float32x4_t bound;
  ROX_INLINE uint32x4_t passes(size_t r) const {
    const float32x4_t dot = vcvtq_f32_s32(vld1q_s32(dots + r));
    return vcgeq_f32(vmulq_f32(dot, vld1q_f32(scales + r)), bound);
  }
};

size_t select_l2_float(const float* dots, const float* norms, size_t n, float bound,
                       uint32_t* out) {
  return select(L2Float{dots, norms, vdupq_n_f32(bound)}, n, out);
}

size_t select_l2_int(const int32_t* dots, const int32_t* norms, size_t n, int32_t bound,
                     uint32_t* out) {
  return select(L2Int{dots, norms, vdupq_n_s32(bound)}, n, out);
}

size_t select_scaled_float(const float* dots, const float* scales, size_t n, float bound,
                           uint32_t* out) {
  return select(ScaledFloat{dots, scales, vdupq_n_f32(bound)}, n, out);
}

size_t select_scaled_int(const int32_t* dots, const float* scales, size_t n, float bound,
                         uint32_t* out) {
  return select(ScaledInt{dots, scales, vdupq_n_f32(bound)}, n, out);
}

void lane_minima_l2_int(const int32_t* dots, const int32_t* norms, size_t n, int32_t* out) {
  for (size_t lane = 0; lane < 16; lane += 4) {
    const auto value = [&](size_t r) {
      return vsubq_s32(vld1q_s32(norms + r + lane), vshlq_n_s32(vld1q_s32(dots + r + lane), 1));
    };
    int32x4_t least = value(0);
    for (size_t r = 16; r < n; r += 16) least = vminq_s32(least, value(r));
    vst1q_s32(out + lane, least);
  }
}

void f16_to_f32(const uint16_t* in, size_t count, float* out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const Floats floats = LoadF16::full(in + i);
    vst1q_f32(out + i, floats.low);
    vst1q_f32(out + i + 4, floats.high);
  }
  for (; i < count; ++i) out[i] = SourceF16::convert(in[i]);
}

void f32_to_f16(const float* in, size_t count, uint16_t* out) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    vst1_u16(out + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(in + i))));
  }
  for (; i < count; ++i) {
    out[i] = vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(in[i]))), 0);
  }
}

void quantize_i8(const float* in, const float* centre, float scale, size_t count, int8_t* out) {
  const auto quantize = [&](float32x4_t value, float32x4_t middle) {
    const float32x4_t scaled = vmulq_n_f32(vsubq_f32(value, middle), scale);
    const float32x4_t least = vmaxq_f32(scaled, vdupq_n_f32(-127.0f));
    return vcvtnq_s32_f32(vminq_f32(least, vdupq_n_f32(127.0f)));
  };
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    int32_t lanes[4];
    vst1q_s32(lanes, quantize(vld1q_f32(in + i), vld1q_f32(centre + i)));
    for (size_t l = 0; l < 4; ++l) out[i + l] = static_cast<int8_t>(lanes[l]);
  }
  for (; i < count; ++i) {
    const int32x4_t lanes = quantize(vdupq_n_f32(in[i]), vdupq_n_f32(centre[i]));
    out[i] = static_cast<int8_t>(vgetq_lane_s32(lanes, 0));
  }
}

// A float is NaN or infinite when its exponent is all ones.
bool all_finite_f32(const float* in, size_t count) {
  const uint32x4_t exponent = vdupq_n_u32(0x7f800000);
  const auto is_finite = [&](float32x4_t values) {
    const uint32x4_t bits = vandq_u32(vreinterpretq_u32_f32(values), exponent);
    return vmaxvq_u32(vceqq_u32(bits, exponent)) == 0;
  };
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    if (!is_finite(vld1q_f32(in + i))) return false;
  }
  for (; i < count; ++i) {
    if (!is_finite(vdupq_n_f32(in[i]))) return false;
  }
  return true;
}

bool all_finite_f16(const uint16_t* in, size_t count) {
  const uint16x8_t exponent = vdupq_n_u16(0x7c00);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const uint16x8_t bits = vandq_u16(vld1q_u16(in + i), exponent);
    if (vmaxvq_u16(vceqq_u16(bits, exponent)) != 0) return false;
  }
  for (; i < count; ++i) {
    if ((in[i] & 0x7c00) == 0x7c00) return false;
  }
  return true;
}

}  // namespace

const KernelTable kNeonTable = {
    .isa = "neon",
    .l2_f32 = to_rows<FloatL2<LoadF32>>,
    .l2_f16 = to_rows<FloatL2<LoadF16>>,
    .dot_f32 = to_rows<FloatDot<LoadF32>>,
    .dot_f16 = to_rows<FloatDot<LoadF16>>,
    .l2_u8 = to_rows<L2U8>,
    .l2_i8 = to_rows<L2I8>,
    .dot_u8 = to_rows<DotU8>,
    .dot_i8 = to_rows<DotI8>,
    .norms_f32 = self_dots<FloatDot<LoadF32>>,
    .norms_f16 = self_dots<FloatDot<LoadF16>>,
    .norms_u8 = self_dots<DotU8>,
    .norms_i8 = self_dots<DotI8>,
    .panel_f32 = kPanelOf<TileF32, Source<float>, float>,
    .panel_f16 = kPanelOf<TileF32, SourceF16, float>,
    .panel_u8 = kPanelOf<TileInt<uint8_t>, Source<uint8_t>, uint8_t>,
    .panel_i8 = kPanelOf<TileInt<int8_t>, Source<int8_t>, int8_t>,
    .select_l2_float = select_l2_float,
    .select_l2_int = select_l2_int,
    .select_scaled_float = select_scaled_float,
    .select_scaled_int = select_scaled_int,
    .lane_minima_l2_int = lane_minima_l2_int,
    .sum_nibbles = sum_nibbles,
    .dot_nibbles = dot_nibbles,
    .encode_residual = encode_residual,
    .select_estimates = select_estimates,
    .nearest_entry = nearest_entry,
    .f16_to_f32 = f16_to_f32,
    .f32_to_f16 = f32_to_f16,
    .quantize_i8 = quantize_i8,
    .all_finite_f32 = all_finite_f32,
    .all_finite_f16 = all_finite_f16,
};

}  // namespace roxanne::kernels
