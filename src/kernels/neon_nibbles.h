// NEON of plain ARMv8-A: sums of table look-ups for blocks of 32 codes. Included by neon.cc only.
#pragma once

#include <arm_neon.h>

#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

// Sums of 16 codes.
struct NibbleSums {
  uint16x8_t first, second;

  ROX_INLINE void add_row(uint8x16_t row, uint8x16_t low_table, uint8x16_t high_table) {
    const uint8x16_t low = vqtbl1q_u8(low_table, vandq_u8(row, vdupq_n_u8(0x0f)));
    const uint8x16_t high = vqtbl1q_u8(high_table, vshrq_n_u8(row, 4));
    first = vaddq_u16(first, vaddl_u8(vget_low_u8(low), vget_low_u8(high)));
    second = vaddq_u16(second, vaddl_high_u8(low, high));
  }
  ROX_INLINE void store(uint16_t* out) const {
    auto* bytes = reinterpret_cast<uint8_t*>(out);
    vst1q_u8(bytes, vreinterpretq_u8_u16(first));
    vst1q_u8(bytes + 16, vreinterpretq_u8_u16(second));
  }
};

void sum_nibbles(const uint8_t* codes, const uint8_t* lut, size_t table_count, uint16_t* out) {
  const uint16x8_t zero = vdupq_n_u16(0);
  NibbleSums sums[2] = {{zero, zero}, {zero, zero}};
  for (size_t t = 0; t < table_count; t += 2) {
    const uint8x16_t low_table = vld1q_u8(lut + t * 16);
    const uint8x16_t high_table = vld1q_u8(lut + t * 16 + 16);
    sums[0].add_row(vld1q_u8(codes + t * 16), low_table, high_table);
    sums[1].add_row(vld1q_u8(codes + t * 16 + 16), low_table, high_table);
  }
  sums[0].store(out);
  sums[1].store(out + 16);
}

}  // namespace
}  // namespace roxanne::kernels
