// Which code suits a collection: the measured rule of docs/tuning.md.
#pragma once

#include <memory>

#include "quantize/quantizer.h"

namespace roxanne::quantize {

enum class QuantizerKind : uint8_t { kProduct, kRabitq, kScalar };

struct QuantizerSpec {
  QuantizerKind kind = QuantizerKind::kRabitq;
  size_t bits = 1;        // a part, or a coordinate
  size_t part_count = 0;  // of product quantization
};

struct CodeBudget {
  size_t dim = 0;
  ScalarType type = ScalarType::kF32;
  Metric metric = Metric::kL2;
  size_t code_bytes_max = 0;  // a vector; what is too little for any code gets the smallest
};

QuantizerSpec choose_quantizer(const CodeBudget& budget);

std::unique_ptr<Quantizer> make_quantizer(const QuantizerSpec& spec, size_t dim, Metric metric,
                                          uint64_t seed);

// What make_quantizer() would make, in bytes a vector.
size_t code_bytes(const QuantizerSpec& spec, size_t dim);

}  // namespace roxanne::quantize
