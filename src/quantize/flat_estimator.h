// The loops over flat codes, for estimators that take one code at a time.
#pragma once

#include "base/prefetch.h"
#include "quantize/quantizer.h"

namespace roxanne::quantize {

// Codes fetched before they are needed: enough to hide a read from DRAM behind the estimates.
inline constexpr size_t kFetchAheadCodes = 8;

// Derived has `float one(const uint8_t* code) const` and `size_t code_bytes() const`; Base is
// Estimator or an interface that adds to it.
template <typename Derived, typename Base = Estimator>
class FlatEstimator : public Base {
 public:
  void estimate(const uint8_t* codes, size_t count, float* out) const final {
    const size_t code_bytes = derived().code_bytes();
    for (size_t i = 0; i < count; ++i) out[i] = derived().one(codes + i * code_bytes);
  }

  void estimate_at(const uint8_t* codes, std::span<const uint32_t> slots, float* out) const final {
    const size_t code_bytes = derived().code_bytes();
    const auto at = [&](size_t i) { return codes + slots[i] * code_bytes; };
    for (size_t i = 0; i < slots.size() && i < kFetchAheadCodes; ++i) {
      base::prefetch_bytes(at(i), code_bytes);
    }
    for (size_t i = 0; i < slots.size(); ++i) {
      if (i + kFetchAheadCodes < slots.size())
        base::prefetch_bytes(at(i + kFetchAheadCodes), code_bytes);
      out[i] = derived().one(at(i));
    }
  }

 private:
  const Derived& derived() const { return static_cast<const Derived&>(*this); }
};

}  // namespace roxanne::quantize
