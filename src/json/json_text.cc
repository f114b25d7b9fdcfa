#include "json/json_text.h"

#include <charconv>
#include <cmath>

#include "base/coding.h"
#include "base/f16.h"
#include "base/status_macros.h"

namespace roxanne::json {
namespace {

constexpr size_t kNumberBytesMax = 32;

template <typename T>
void append_number(std::string& out, T value) {
  char text[kNumberBytesMax];
  const auto end = std::to_chars(text, text + sizeof text, value);
  ROX_ASSERT(end.ec == std::errc());
  out.append(text, end.ptr);
}

// How many bytes the character starting with `lead` has; 0 where none can. The second byte's range
// rules out overlong forms, surrogates and values past U+10FFFF (Unicode 15, table 3-7).
struct Utf8Form {
  size_t bytes = 0;
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xbf;
};

Utf8Form utf8_form(unsigned char lead) {
  if (lead < 0x80) return {1};
  if (lead < 0xc2) return {0};
  if (lead < 0xe0) return {2};
  if (lead == 0xe0) return {3, 0xa0, 0xbf};
  if (lead == 0xed) return {3, 0x80, 0x9f};
  if (lead < 0xf0) return {3};
  if (lead == 0xf0) return {4, 0x90, 0xbf};
  if (lead < 0xf4) return {4};
  if (lead == 0xf4) return {4, 0x80, 0x8f};
  return {0};
}

// Of the character that `text` begins with; 0 where it begins with none.
size_t utf8_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const Utf8Form form = utf8_form(byte(0));
  if (form.bytes == 0 || text.size() < form.bytes) return 0;
  if (form.bytes > 1 && (byte(1) < form.second_min || byte(1) > form.second_max)) return 0;
  for (size_t i = 2; i < form.bytes; i++) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return form.bytes;
}

template <typename Element>
bool append_elements(std::string& out, const std::byte* data, size_t dim, size_t& column,
                     void (*append)(std::string&, Element), bool (*is_finite)(Element)) {
  for (column = 0; column < dim; column++) {
    const Element value = base::load<Element>(data + column * sizeof(Element));
    if (!is_finite(value)) return false;
    if (column > 0) out += ',';
    append(out, value);
  }
  return true;
}

void append_f16(std::string& out, uint16_t half) { append_number(out, base::f16_to_f32(half)); }
bool is_finite_f16(uint16_t half) { return (half & 0x7c00u) != 0x7c00u; }
bool is_finite_f32(float value) { return std::isfinite(value); }
template <typename T>
void append_integer(std::string& out, T value) {
  append_number(out, static_cast<int>(value));
}
template <typename T>
bool always_finite(T) {
  return true;
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = utf8_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = utf8_bytes(text);
    out += bytes == 0 ? "\xef\xbf\xbd" : text.substr(0, bytes);
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return out;
}

bool append_json_vector(std::string& out, VectorView vector, size_t& column) {
  const std::byte* data = vector.data();
  const size_t dim = vector.dim();
  out += '[';
  bool all_finite = false;
  switch (vector.type()) {
    case ScalarType::kF32:
      all_finite = append_elements<float>(out, data, dim, column, append_number, is_finite_f32);
      break;
    case ScalarType::kF16:
      all_finite = append_elements<uint16_t>(out, data, dim, column, append_f16, is_finite_f16);
      break;
    case ScalarType::kU8:
      all_finite = append_elements<uint8_t>(out, data, dim, column, append_integer, always_finite);
      break;
    case ScalarType::kI8:
      all_finite = append_elements<int8_t>(out, data, dim, column, append_integer, always_finite);
      break;
  }
  out += ']';
  return all_finite;
}

}  // namespace roxanne::json
