#include "json/json_object.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>

namespace roxanne::json {
namespace {

// to_chars writes the shortest text that reads back as the same number.
template <typename Number>
std::string shortest(Number value) {
  if (!std::isfinite(value)) return "null";
  std::array<char, 64> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return error == std::errc() ? std::string(buffer.data(), end) : "null";
}

}  // namespace

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

std::string number(double value) { return shortest(value); }
std::string number(float value) { return shortest(value); }

std::string key_text(const Key& key) {
  return key.type() == KeyType::kU64 ? std::to_string(key.u64()) : json::quoted(key.str());
}

std::string vector_text(const VectorView& vector) {
  Vector copy;
  copy.type = vector.type();
  copy.bytes.assign(vector.data(), vector.data() + vector.row_bytes());
  std::string out = "[";
  for (size_t i = 0; i < vector.dim(); ++i) {
    if (i > 0) out += ',';
    out += number(copy.at(i));
  }
  return out + "]";
}

std::string list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    out += items[i];
  }
  return out + "]";
}

std::string payload_text(std::string_view payload) {
  // In valid JSON, line ends stand between tokens only.
  std::string out(payload);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return out;
}

Object& Object::raw(std::string_view name, std::string_view json) {
  if (!fields_.empty()) fields_ += ',';
  fields_ += json::quoted(name);
  fields_ += ':';
  fields_ += json;
  return *this;
}

}  // namespace roxanne::json
