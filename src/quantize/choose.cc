#include "quantize/choose.h"

#include <algorithm>

#include "base/status_macros.h"
#include "quantize/product_quantizer.h"
#include "quantize/rabitq_levels.h"
#include "quantize/rabitq_quantizer.h"
#include "quantize/scalar_quantizer.h"

namespace roxanne::quantize {
namespace {

// Up to here product codes find more for their bytes at every dimension measured, and their tables,
// 1 KiB a byte, are not yet far too large for the nearest cache. Beyond, RaBitQ finds as much (of
// pixels less) and is scanned about ten times as fast. The figures are in docs/tuning.md.
constexpr size_t kProductBytesMax = 96;

}  // namespace

QuantizerSpec choose_quantizer(const CodeBudget& budget) {
  ROX_CHECK(budget.dim > 0);
  const size_t bytes = budget.code_bytes_max;
  if (bytes >= budget.dim) return {QuantizerKind::kScalar, 8, 0};
  const size_t part_count = std::clamp(bytes, size_t{1}, kProductBytesMax);
  if (bytes > kProductBytesMax) {
    for (size_t bits = kLevelBitsMax + 1; bits >= 1; --bits) {
      const QuantizerSpec rabitq = {QuantizerKind::kRabitq, bits, 0};
      if (code_bytes(rabitq, budget.dim) <= bytes) return rabitq;
    }
  }
  return {QuantizerKind::kProduct, 8, part_count};
}

size_t code_bytes(const QuantizerSpec& spec, size_t dim) {
  switch (spec.kind) {
    case QuantizerKind::kProduct:
      return spec.part_count * spec.bits / 8;
    case QuantizerKind::kRabitq:
      return RabitqQuantizer::code_bytes_of(dim, {.bits = spec.bits});
    case QuantizerKind::kScalar:
      break;
  }
  return dim;
}

std::unique_ptr<Quantizer> make_quantizer(const QuantizerSpec& spec, size_t dim, Metric metric,
                                          uint64_t seed) {
  switch (spec.kind) {
    case QuantizerKind::kProduct: {
      ProductOptions options;
      options.part_count = spec.part_count;
      options.bits = spec.bits;
      options.seed = seed;
      return std::make_unique<ProductQuantizer>(dim, metric, options);
    }
    case QuantizerKind::kRabitq: {
      RabitqOptions options;
      options.bits = spec.bits;
      options.seed = seed;
      return std::make_unique<RabitqQuantizer>(dim, metric, options);
    }
    case QuantizerKind::kScalar:
      break;
  }
  return std::make_unique<ScalarQuantizer>(dim, metric, ScalarOptions{spec.bits});
}

}  // namespace roxanne::quantize
