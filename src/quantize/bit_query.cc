#include "quantize/bit_query.h"

#include <algorithm>

#include "base/status_macros.h"

namespace roxanne::quantize {

BitQuery::BitQuery(const float* query, size_t dim)
    : word_count_(dim / 64), words_(dim / 64 * kQueryBits) {
  ROX_CHECK(dim > 0);
  ROX_CHECK(dim % 64 == 0);
  const auto [low, high] = std::minmax_element(query, query + dim);
  least_ = *low;
  step_ = (*high - *low) / 255;
  const float steps = step_ > 0 ? 1 / step_ : 0;
  uint64_t byte_sum = 0;
  for (size_t i = 0; i < dim; ++i) {
    const auto byte = static_cast<uint64_t>(std::min((query[i] - least_) * steps + 0.5f, 255.0f));
    byte_sum += byte;
    for (size_t j = 0; j < kQueryBits; ++j) {
      words_[i / 64 * kQueryBits + j] |= (byte >> j & 1) << (i % 64);
    }
  }
  sum_ = static_cast<float>(static_cast<double>(step_) * static_cast<double>(byte_sum) +
                            static_cast<double>(least_) * static_cast<double>(dim));
}

}  // namespace roxanne::quantize
