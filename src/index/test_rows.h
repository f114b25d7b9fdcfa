// Vectors of any type for the tests of this layer: clustered, as real ones are.
#pragma once

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/f16.h"
#include "roxanne/types.h"

namespace roxanne::index {

inline constexpr ScalarType kAllTypes[] = {ScalarType::kF32, ScalarType::kF16, ScalarType::kU8,
                                           ScalarType::kI8};
inline constexpr Metric kAllMetrics[] = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine};

inline std::string name_of(ScalarType type, Metric metric) {
  return std::string(scalar_type_name(type)) + " " + std::string(metric_name(metric));
}

struct TestRows {
  ScalarType type;
  size_t rows, dim;
  std::vector<std::byte> bytes;
  MatrixView view() const { return {type, bytes.data(), rows, dim}; }
  VectorView row(size_t i) const { return {type, view().row(i), dim}; }
  size_t row_bytes() const { return dim * scalar_bytes(type); }
};

inline void store_scalar(ScalarType type, float value, std::byte* out) {
  const uint16_t half = base::f32_to_f16(value);
  const auto clamped = static_cast<int>(std::clamp(value, -120.0f, 120.0f));
  if (type == ScalarType::kF32) std::memcpy(out, &value, sizeof value);
  if (type == ScalarType::kF16) std::memcpy(out, &half, sizeof half);
  if (type == ScalarType::kU8) *out = static_cast<std::byte>(clamped + 128);
  if (type == ScalarType::kI8) *out = static_cast<std::byte>(static_cast<int8_t>(clamped));
}

// Norms differ, so that the metrics differ. Rows of all seeds come from the same clusters, whose
// points lie in few directions: most vectors have far fewer degrees of freedom than coordinates.
inline TestRows make_test_rows(ScalarType type, size_t rows, size_t dim, uint32_t seed) {
  constexpr size_t kCentres = 40;
  constexpr size_t kDirections = 8;
  std::mt19937 random(seed), shape_random(77);
  std::normal_distribution<float> values, shape_values;
  std::vector<float> centres(kCentres * dim), directions(kDirections * dim);
  for (float& value : centres) value = shape_values(shape_random) * 20;
  for (float& value : directions) value = shape_values(shape_random) * 5;
  TestRows result{type, rows, dim, std::vector<std::byte>(rows * dim * scalar_bytes(type))};
  for (size_t i = 0; i < rows; ++i) {
    const size_t centre = random() % kCentres;
    float along[kDirections];
    for (float& value : along) value = values(random);
    for (size_t d = 0; d < dim; ++d) {
      float value = centres[centre * dim + d] + values(random) * 3;
      for (size_t a = 0; a < kDirections; ++a) value += along[a] * directions[a * dim + d];
      store_scalar(type, value, result.bytes.data() + (i * dim + d) * scalar_bytes(type));
    }
  }
  return result;
}

}  // namespace roxanne::index
