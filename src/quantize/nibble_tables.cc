#include "quantize/nibble_tables.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/status_macros.h"
#include "kernels/distance.h"
#include "quantize/quantizer.h"

namespace roxanne::quantize {

NibbleTables::NibbleTables(const float* tables, size_t table_count)
    : table_count_(table_count), bytes_(table_count * kNibbleValues) {
  ROX_CHECK(table_count % 2 == 0);
  float widest = 0;
  double offset = 0;
  std::vector<float> least(table_count);
  for (size_t t = 0; t < table_count; ++t) {
    const float* table = tables + t * kNibbleValues;
    const auto [low, high] = std::minmax_element(table, table + kNibbleValues);
    least[t] = *low;
    offset += *low;
    widest = std::max(widest, *high - *low);
  }
  offset_ = static_cast<float>(offset);
  step_ = widest / 255;
  if (widest == 0) return;
  const float steps = 255 / widest;
  auto* bytes = reinterpret_cast<uint8_t*>(bytes_.data());
  for (size_t i = 0; i < table_count * kNibbleValues; ++i) {
    const float rounded = (tables[i] - least[i / kNibbleValues]) * steps + 0.5f;
    bytes[i] = static_cast<uint8_t>(std::min(rounded, 255.0f));
  }
}

void NibbleTables::add_block(const uint8_t* block, unsigned shift, uint32_t* totals) const {
  const kernels::SumNibblesFn sum_nibbles = kernels::kernels().sum_nibbles;
  const auto* lut = reinterpret_cast<const uint8_t*>(bytes_.data());
  alignas(64) uint16_t sums[kBlockCodes];
  // The kernel's sums are of 16 bits; more tables are taken in parts.
  for (size_t t = 0; t < table_count_; t += kernels::kNibbleTablesMax) {
    sum_nibbles(block + t / 2 * kBlockCodes, lut + t * kNibbleValues,
                std::min(kernels::kNibbleTablesMax, table_count_ - t), sums);
    for (size_t i = 0; i < kBlockCodes; ++i) totals[i] += static_cast<uint32_t>(sums[i]) << shift;
  }
}

uint32_t NibbleTables::steps(const uint8_t* code) const {
  const auto* lut = reinterpret_cast<const uint8_t*>(bytes_.data());
  uint32_t low = 0, high = 0;
  for (size_t b = 0; b < table_count_ / 2; ++b) {
    const uint8_t* pair = lut + b * 2 * kNibbleValues;
    low += pair[code[b] % kNibbleValues];
    high += pair[kNibbleValues + code[b] / kNibbleValues];
  }
  return low + high;
}

void transpose_codes(const uint8_t* codes, size_t count, size_t stride, size_t size,
                     uint8_t* rows) {
  ROX_ASSERT(count <= kBlockCodes);
  if (count < kBlockCodes) std::memset(rows, 0, size * kBlockCodes);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* code = codes + i * stride;
    for (size_t b = 0; b < size; ++b) rows[b * kBlockCodes + i] = code[b];
  }
}

}  // namespace roxanne::quantize
