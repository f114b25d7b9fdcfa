#include "json/scalar_text.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/f16.h"

namespace roxanne::json {
namespace {

template <typename T>
void store(std::byte* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

// The nearest float of the text itself: the parser's double may be off in its last bit, and
// rounding twice can go wrong. Where the text is out of range it is too large or too near zero;
// the double tells which.
bool to_float(double number, std::string_view text, float& value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc()) value = static_cast<float>(number);
  return std::isfinite(value);
}

bool put_f32(double number, std::string_view text, std::byte* out) {
  float value = 0;
  if (!to_float(number, text, value)) return false;
  store(out, value);
  return true;
}

bool put_f16(double number, std::string_view text, std::byte* out) {
  float value = 0;
  if (!to_float(number, text, value)) return false;
  const uint16_t half = base::f32_to_f16(value);
  store(out, half);
  return std::isfinite(base::f16_to_f32(half));
}

template <typename T>
bool put_integer(double number, std::string_view, std::byte* out) {
  if (!(number >= std::numeric_limits<T>::min() && number <= std::numeric_limits<T>::max())) {
    return false;
  }
  store(out, static_cast<T>(number));
  return number == std::trunc(number);
}

}  // namespace

PutNumber put_number_of(ScalarType type) {
  switch (type) {
    case ScalarType::kF32:
      return put_f32;
    case ScalarType::kF16:
      return put_f16;
    case ScalarType::kU8:
      return put_integer<uint8_t>;
    case ScalarType::kI8:
      return put_integer<int8_t>;
  }
  return put_f32;
}

}  // namespace roxanne::json
