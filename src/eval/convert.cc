// Rows from one scalar type to another, element by element.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "base/coding.h"
#include "base/f16.h"
#include "base/status_macros.h"
#include "eval/dense_rows.h"
#include "eval/vector_io.h"

namespace roxanne::eval {
namespace {

// An element's bytes and its value: every value of every type is exact in a float.
struct F32 {
  using Stored = float;
  static float load(float stored) { return stored; }
  static bool store(float value, float& stored) {
    stored = value;
    return true;
  }
};

struct F16 {
  using Stored = uint16_t;
  static float load(uint16_t stored) { return base::f16_to_f32(stored); }
  static bool store(float value, uint16_t& stored) {
    stored = base::f32_to_f16(value);
    return std::isfinite(base::f16_to_f32(stored));
  }
};

template <typename T>
struct Integer {
  using Stored = T;
  static float load(T stored) { return static_cast<float>(stored); }
  static bool store(float value, T& stored) {
    // Written so that NaN fails.
    if (!(value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max())) {
      return false;
    }
    stored = static_cast<T>(value);
    return static_cast<float>(stored) == value;
  }
};

constexpr size_t kAllFit = std::numeric_limits<size_t>::max();

// Returns the first element that does not fit, or kAllFit.
template <typename From, typename To>
size_t convert(const std::byte* in, size_t count, std::byte* out) {
  for (size_t i = 0; i < count; i++) {
    typename To::Stored stored{};
    const auto read = base::load<typename From::Stored>(in + i * sizeof(typename From::Stored));
    if (!To::store(From::load(read), stored)) return i;
    std::memcpy(out + i * sizeof stored, &stored, sizeof stored);
  }
  return kAllFit;
}

using Converter = size_t (*)(const std::byte*, size_t, std::byte*);

template <typename From>
Converter converter_to(ScalarType type) {
  switch (type) {
    case ScalarType::kF32:
      return convert<From, F32>;
    case ScalarType::kF16:
      return convert<From, F16>;
    case ScalarType::kU8:
      return convert<From, Integer<uint8_t>>;
    case ScalarType::kI8:
      break;
  }
  return convert<From, Integer<int8_t>>;
}

Converter converter(ScalarType from, ScalarType to) {
  switch (from) {
    case ScalarType::kF32:
      return converter_to<F32>(to);
    case ScalarType::kF16:
      return converter_to<F16>(to);
    case ScalarType::kU8:
      return converter_to<Integer<uint8_t>>(to);
    case ScalarType::kI8:
      break;
  }
  return converter_to<Integer<int8_t>>(to);
}

float element(const VectorBatch& batch, size_t index) {
  float value = 0;
  converter(batch.type, ScalarType::kF32)(batch.data.data() + index * scalar_bytes(batch.type), 1,
                                          reinterpret_cast<std::byte*>(&value));
  return value;
}

}  // namespace

Status convert_batch(const VectorBatch& in, ScalarType type, VectorBatch& out) {
  ROX_ASSERT(&in != &out);
  const size_t count = in.rows * in.dim;
  ROX_ASSERT(in.data.size() == count * scalar_bytes(in.type));
  out = in;
  if (in.type == type) return Status::ok();
  out.type = type;
  out.data.resize(count * scalar_bytes(type));
  const size_t misfit = converter(in.type, type)(in.data.data(), count, out.data.data());
  if (misfit == kAllFit) return Status::ok();
  return Status::invalid_argument("row " + std::to_string(misfit / in.dim) + ", column " +
                                  std::to_string(misfit % in.dim) + ": " +
                                  std::to_string(element(in, misfit)) + " does not fit into " +
                                  std::string(scalar_type_name(type)));
}

}  // namespace roxanne::eval
