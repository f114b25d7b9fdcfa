#include "roxanne/types.h"

#include <cstring>

#include "base/f16.h"

namespace roxanne {
namespace {
constexpr std::string_view kScalarTypeNames[] = {"f32", "f16", "u8", "i8"};
constexpr std::string_view kMetricNames[] = {"l2", "ip", "cosine"};
constexpr std::string_view kKeyTypeNames[] = {"u64", "string"};

template <typename Enum, size_t kCount>
std::optional<Enum> parse(const std::string_view (&names)[kCount], std::string_view name) {
  for (size_t i = 0; i < kCount; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}
}  // namespace

std::string_view scalar_type_name(ScalarType type) {
  return kScalarTypeNames[static_cast<size_t>(type)];
}
std::string_view metric_name(Metric metric) { return kMetricNames[static_cast<size_t>(metric)]; }
std::string_view key_type_name(KeyType type) { return kKeyTypeNames[static_cast<size_t>(type)]; }

std::optional<ScalarType> parse_scalar_type(std::string_view name) {
  return parse<ScalarType>(kScalarTypeNames, name);
}
std::optional<Metric> parse_metric(std::string_view name) {
  return parse<Metric>(kMetricNames, name);
}
std::optional<KeyType> parse_key_type(std::string_view name) {
  return parse<KeyType>(kKeyTypeNames, name);
}

std::string Key::to_string() const {
  return type() == KeyType::kU64 ? std::to_string(u64()) : str();
}

float Vector::at(size_t i) const {
  const std::byte* element = bytes.data() + i * scalar_bytes(type);
  switch (type) {
    case ScalarType::kF32: {
      float value;
      std::memcpy(&value, element, sizeof value);
      return value;
    }
    case ScalarType::kF16: {
      uint16_t half;
      std::memcpy(&half, element, sizeof half);
      return base::f16_to_f32(half);
    }
    case ScalarType::kU8:
      return static_cast<float>(std::to_integer<uint8_t>(*element));
    case ScalarType::kI8:
      return static_cast<float>(static_cast<int8_t>(*element));
  }
  return 0;
}

}  // namespace roxanne
