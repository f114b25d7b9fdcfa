// Kernels for AVX-512 F, BW, VL, DQ and VNNI.
#include <immintrin.h>

#include "kernels/avx512_neighbour_codes.h"
#include "kernels/avx512_nibble_dots.h"
#include "kernels/avx512_nibbles.h"
#include "kernels/avx512_panels.h"
#include "kernels/avx512_product_codes.h"
#include "kernels/avx512_rows.h"
#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

constexpr size_t kWidth = 16;  // rows a step of the selections takes; their n is a multiple of it

// Appends the indices r + i of the mask's bits i. Compressing into memory is slow on some machines,
// so all lanes are stored: out has room, since it has no more entries than there were rows before.
ROX_INLINE size_t append(uint32_t* out, size_t count, __mmask16 mask, size_t r) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i rows = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(r)));
  _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(mask, rows));
  return count + static_cast<size_t>(__builtin_popcount(mask));
}

// Compare::mask(r) tells which of the rows r .. r + 15 pass; few do.
template <typename Compare>
ROX_INLINE size_t select(const Compare& compare, size_t n, uint32_t* out) {
  size_t count = 0;
  for (size_t r = 0; r < n; r += kWidth) {
    const __mmask16 mask = compare.mask(r);
    if (__builtin_expect(mask != 0, 0)) count = append(out, count, mask, r);
  }
  return count;
}

struct L2Float {
  const float* dots;
  const float* norms;
  __m512 bound;
  ROX_INLINE __mmask16 mask(size_t r) const {
    const __m512 value =
        _mm512_fnmadd_ps(_mm512_set1_ps(2.0f), _mm512_load_ps(dots + r), _mm512_load_ps(norms + r));
    return _mm512_cmp_ps_mask(value, bound, _CMP_LE_OQ);
  }
};

struct L2Int {
  const int32_t* dots;
  const int32_t* norms;
  __m512i bound;
  ROX_INLINE __mmask16 mask(size_t r) const {
    const __m512i twice = _mm512_slli_epi32(_mm512_load_si512(dots + r), 1);
    return _mm512_cmple_epi32_mask(_mm512_sub_epi32(_mm512_load_si512(norms + r), twice), bound);
  }
};

struct ScaledFloat {
  const float* dots;
  const float* scales;
  __m512 bound;
  ROX_INLINE __mmask16 mask(size_t r) const {
    const __m512 value = _mm512_mul_ps(_mm512_load_ps(dots + r), _mm512_load_ps(scales + r));
    return _mm512_cmp_ps_mask(value, bound, _CMP_GE_OQ);
  }
};

struct ScaledInt {
  const int32_t* dots;
  const float* scales;
  __m512 bound;
  ROX_INLINE __mmask16 mask(size_t r) const {
    const __m512 value =
        _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dots + r)), _mm512_load_ps(scales + r));
    return _mm512_cmp_ps_mask(value, bound, _CMP_GE_OQ);
  }
};

size_t select_l2_float(const float* dots, const float* norms, size_t n, float bound,
                       uint32_t* out) {
  return select(L2Float{dots, norms, _mm512_set1_ps(bound)}, n, out);
}

size_t select_l2_int(const int32_t* dots, const int32_t* norms, size_t n, int32_t bound,
                     uint32_t* out) {
  return select(L2Int{dots, norms, _mm512_set1_epi32(bound)}, n, out);
}

size_t select_scaled_float(const float* dots, const float* scales, size_t n, float bound,
                           uint32_t* out) {
  return select(ScaledFloat{dots, scales, _mm512_set1_ps(bound)}, n, out);
}

size_t select_scaled_int(const int32_t* dots, const float* scales, size_t n, float bound,
                         uint32_t* out) {
  return select(ScaledInt{dots, scales, _mm512_set1_ps(bound)}, n, out);
}

void lane_minima_l2_int(const int32_t* dots, const int32_t* norms, size_t n, int32_t* out) {
  const auto value = [&](size_t r) {
    const __m512i twice = _mm512_slli_epi32(_mm512_load_si512(dots + r), 1);
    return _mm512_sub_epi32(_mm512_load_si512(norms + r), twice);
  };
  __m512i least = value(0);
  for (size_t r = kWidth; r < n; r += kWidth) least = _mm512_min_epi32(least, value(r));
  _mm512_store_si512(out, least);
}

void f16_to_f32(const uint16_t* in, size_t count, float* out) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) _mm512_storeu_ps(out + i, LoadF16::full(in + i));
  if (i < count) {
    _mm512_mask_storeu_ps(out + i, first16(count - i), LoadF16::tail(in, count));
  }
}

void f32_to_f16(const float* in, size_t count, uint16_t* out) {
  constexpr int kRounding = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm512_cvtps_ph(LoadF32::full(in + i), kRounding));
  }
  if (i < count) {
    _mm256_mask_storeu_epi16(out + i, first16(count - i),
                             _mm512_cvtps_ph(LoadF32::tail(in, count), kRounding));
  }
}

void quantize_i8(const float* in, const float* centre, float scale, size_t count, int8_t* out) {
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 there = count - i >= 16 ? __mmask16{0xffff} : first16(count - i);
    const __m512 moved = _mm512_sub_ps(_mm512_maskz_loadu_ps(there, in + i),
                                       _mm512_maskz_loadu_ps(there, centre + i));
    const __m512 scaled = _mm512_mul_ps(moved, _mm512_set1_ps(scale));
    const __m512 least = _mm512_max_ps(scaled, _mm512_set1_ps(-127.0f));
    const __m512i words = _mm512_cvtps_epi32(_mm512_min_ps(least, _mm512_set1_ps(127.0f)));
    _mm_mask_storeu_epi8(out + i, there, _mm512_cvtepi32_epi8(words));
  }
}

// A float is NaN or infinite when its exponent is all ones.
bool all_finite_f32(const float* in, size_t count) {
  const __m512i exponent = _mm512_set1_epi32(0x7f800000);
  const auto is_finite = [&](__m512 values) {
    const __m512i bits = _mm512_and_si512(_mm512_castps_si512(values), exponent);
    return _mm512_cmpeq_epi32_mask(bits, exponent) == 0;
  };
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    if (!is_finite(LoadF32::full(in + i))) return false;
  }
  return i == count || is_finite(LoadF32::tail(in, count));
}

bool all_finite_f16(const uint16_t* in, size_t count) {
  const __m512i exponent = _mm512_set1_epi16(0x7c00);
  const auto is_finite = [&](__m512i values) {
    const __m512i bits = _mm512_and_si512(values, exponent);
    return _mm512_cmpeq_epi16_mask(bits, exponent) == 0;
  };
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    if (!is_finite(_mm512_loadu_si512(in + i))) return false;
  }
  return i == count || is_finite(_mm512_maskz_loadu_epi16(first32(count - i), in + i));
}

}  // namespace

const KernelTable kAvx512Table = {
    .isa = "avx512",
    .l2_f32 = to_rows<FloatL2<LoadF32>>,
    .l2_f16 = to_rows<FloatL2<LoadF16>>,
    .dot_f32 = to_rows<FloatDot<LoadF32>>,
    .dot_f16 = to_rows<FloatDot<LoadF16>>,
    .l2_u8 = to_rows<WideL2<LoadU8Wide>>,
    .l2_i8 = to_rows<WideL2<LoadI8Wide>>,
    .dot_u8 = to_rows<DotU8>,
    .dot_i8 = to_rows<DotI8>,
    .norms_f32 = self_dots<FloatDot<LoadF32>>,
    .norms_f16 = self_dots<FloatDot<LoadF16>>,
    .norms_u8 = self_dots<WideDot<LoadU8Wide>>,
    .norms_i8 = self_dots<WideDot<LoadI8Wide>>,
    .panel_f32 = kPanelF32,
    .panel_f16 = kPanelF16,
    .panel_u8 = kPanelU8,
    .panel_i8 = kPanelI8,
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
