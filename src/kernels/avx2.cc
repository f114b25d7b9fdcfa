// Kernels for AVX2 with FMA and F16C.
#include <immintrin.h>

#include "kernels/avx2_neighbour_codes.h"
#include "kernels/avx2_nibble_dots.h"
#include "kernels/avx2_nibbles.h"
#include "kernels/avx2_panels.h"
#include "kernels/avx2_product_codes.h"
#include "kernels/avx2_rows.h"
#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

constexpr size_t kWidth = 8;

// Compare::mask(r) has bit i set where row r + i passes, i < 8; few do. n is a multiple of 16.
template <typename Compare>
ROX_INLINE size_t select(const Compare& compare, size_t n, uint32_t* out) {
  size_t count = 0;
  for (size_t r = 0; r < n; r += 2 * kWidth) {
    uint32_t mask = compare.mask(r) | compare.mask(r + kWidth) << kWidth;
    while (__builtin_expect(mask != 0, 0)) {
      out[count++] = static_cast<uint32_t>(r) + static_cast<uint32_t>(__builtin_ctz(mask));
      mask &= mask - 1;
    }
  }
  return count;
}

ROX_INLINE uint32_t lane_mask(__m256 compared) {
  return static_cast<uint32_t>(_mm256_movemask_ps(compared));
}

ROX_INLINE __m256i load_ints(const int32_t* p) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}

struct L2Float {
  const float* dots;
  const float* norms;
  __m256 bound;
  ROX_INLINE uint32_t mask(size_t r) const {
    const __m256 value =
        _mm256_fnmadd_ps(_mm256_set1_ps(2.0f), _mm256_load_ps(dots + r), _mm256_load_ps(norms + r));
    return lane_mask(_mm256_cmp_ps(value, bound, _CMP_LE_OQ));
  }
};

struct L2Int {
  const int32_t* dots;
  const int32_t* norms;
  __m256i bound;
  ROX_INLINE uint32_t mask(size_t r) const {
    const __m256i twice = _mm256_slli_epi32(load_ints(dots + r), 1);
    const __m256i value = _mm256_sub_epi32(load_ints(norms + r), twice);
    const __m256i over = _mm256_cmpgt_epi32(value, bound);
    return lane_mask(_mm256_castsi256_ps(over)) ^ 0xff;
  }
};

struct ScaledFloat {
  const float* dots;
  const float* scales;
  __m256 bound;
  ROX_INLINE uint32_t mask(size_t r) const {
    const __m256 value = _mm256_mul_ps(_mm256_load_ps(dots + r), _mm256_load_ps(scales + r));
    return lane_mask(_mm256_cmp_ps(value, bound, _CMP_GE_OQ));
  }
};

struct ScaledInt {
  const int32_t* dots;
  const float* scales;
  __m256 bound;
  ROX_INLINE uint32_t mask(size_t r) const {
    const __m256 value =
        _mm256_mul_ps(_mm256_cvtepi32_ps(load_ints(dots + r)), _mm256_load_ps(scales + r));
    return lane_mask(_mm256_cmp_ps(value, bound, _CMP_GE_OQ));
  }
};

size_t select_l2_float(const float* dots, const float* norms, size_t n, float bound,
                       uint32_t* out) {
  return select(L2Float{dots, norms, _mm256_set1_ps(bound)}, n, out);
}

size_t select_l2_int(const int32_t* dots, const int32_t* norms, size_t n, int32_t bound,
                     uint32_t* out) {
  return select(L2Int{dots, norms, _mm256_set1_epi32(bound)}, n, out);
}

size_t select_scaled_float(const float* dots, const float* scales, size_t n, float bound,
                           uint32_t* out) {
  return select(ScaledFloat{dots, scales, _mm256_set1_ps(bound)}, n, out);
}

size_t select_scaled_int(const int32_t* dots, const float* scales, size_t n, float bound,
                         uint32_t* out) {
  return select(ScaledInt{dots, scales, _mm256_set1_ps(bound)}, n, out);
}

void lane_minima_l2_int(const int32_t* dots, const int32_t* norms, size_t n, int32_t* out) {
  const auto value = [&](size_t r) {
    const __m256i dot = _mm256_load_si256(reinterpret_cast<const __m256i*>(dots + r));
    const __m256i norm = _mm256_load_si256(reinterpret_cast<const __m256i*>(norms + r));
    return _mm256_sub_epi32(norm, _mm256_slli_epi32(dot, 1));
  };
  __m256i low = value(0);
  __m256i high = value(8);
  for (size_t r = 16; r < n; r += 16) {
    low = _mm256_min_epi32(low, value(r));
    high = _mm256_min_epi32(high, value(r + 8));
  }
  _mm256_store_si256(reinterpret_cast<__m256i*>(out), low);
  _mm256_store_si256(reinterpret_cast<__m256i*>(out + 8), high);
}

void f16_to_f32(const uint16_t* in, size_t count, float* out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, LoadF16::full(in + i));
  for (; i < count; ++i) out[i] = _cvtsh_ss(in[i]);
}

void f32_to_f16(const float* in, size_t count, uint16_t* out) {
  constexpr int kRounding = _MM_FROUND_TO_NEAREST_INT;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(LoadF32::full(in + i), kRounding));
  }
  for (; i < count; ++i) out[i] = _cvtss_sh(in[i], kRounding);
}

ROX_INLINE __m256i quantize_8(__m256 value, __m256 centre, __m256 scale) {
  const __m256 scaled = _mm256_mul_ps(_mm256_sub_ps(value, centre), scale);
  const __m256 least = _mm256_max_ps(scaled, _mm256_set1_ps(-127.0f));
  return _mm256_cvtps_epi32(_mm256_min_ps(least, _mm256_set1_ps(127.0f)));
}

void quantize_i8(const float* in, const float* centre, float scale, size_t count, int8_t* out) {
  const __m256 scales = _mm256_set1_ps(scale);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i words = quantize_8(_mm256_loadu_ps(in + i), _mm256_loadu_ps(centre + i), scales);
    const __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + i), _mm_packs_epi16(halves, halves));
  }
  for (; i < count; ++i) {
    const __m256i word = quantize_8(_mm256_set1_ps(in[i]), _mm256_set1_ps(centre[i]), scales);
    out[i] = static_cast<int8_t>(_mm256_extract_epi32(word, 0));
  }
}

// A float is NaN or infinite when its exponent is all ones.
bool all_finite_f32(const float* in, size_t count) {
  const __m256i exponent = _mm256_set1_epi32(0x7f800000);
  const auto is_finite = [&](__m256 values) {
    const __m256i bits = _mm256_and_si256(_mm256_castps_si256(values), exponent);
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(bits, exponent)) == 0;
  };
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    if (!is_finite(LoadF32::full(in + i))) return false;
  }
  return i == count || is_finite(LoadF32::first(in + i, count - i));
}

bool all_finite_f16(const uint16_t* in, size_t count) {
  const __m128i exponent = _mm_set1_epi16(0x7c00);
  const auto is_finite = [&](__m128i values) {
    const __m128i bits = _mm_and_si128(values, exponent);
    return _mm_movemask_epi8(_mm_cmpeq_epi16(bits, exponent)) == 0;
  };
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    if (!is_finite(load_16_bytes(in + i))) return false;
  }
  return i == count || is_finite(load_first_bytes(in + i, (count - i) * 2));
}

}  // namespace

const KernelTable kAvx2Table = {
    .isa = "avx2",
    .l2_f32 = to_rows<FloatL2<LoadF32>>,
    .l2_f16 = to_rows<FloatL2<LoadF16>>,
    .dot_f32 = to_rows<FloatDot<LoadF32>>,
    .dot_f16 = to_rows<FloatDot<LoadF16>>,
    .l2_u8 = to_rows<IntL2<LoadU8>>,
    .l2_i8 = to_rows<IntL2<LoadI8>>,
    .dot_u8 = to_rows<IntDot<LoadU8>>,
    .dot_i8 = to_rows<IntDot<LoadI8>>,
    .norms_f32 = self_dots<FloatDot<LoadF32>>,
    .norms_f16 = self_dots<FloatDot<LoadF16>>,
    .norms_u8 = self_dots<IntDot<LoadU8>>,
    .norms_i8 = self_dots<IntDot<LoadI8>>,
    .panel_f32 = kPanelOf<TileF32, PackF32, float>,
    .panel_f16 = kPanelOf<TileF32, PackF16, float>,
    .panel_u8 = kPanelOf<TileInt<uint8_t>, PackU8, uint8_t>,
    .panel_i8 = kPanelOf<TileInt<int8_t>, PackI8, int8_t>,
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
