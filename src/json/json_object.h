// JSON as it is written: objects of one line, numbers as short as they can be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "roxanne/types.h"

namespace roxanne::json {

std::string quoted(std::string_view text);  // quoted and escaped
std::string number(double value);           // null where it is not finite
std::string number(float value);
std::string key_text(const Key& key);
std::string vector_text(const VectorView& vector);
std::string list(const std::vector<std::string>& items);  // of JSON
// A payload as stored, which may span lines, on one line.
std::string payload_text(std::string_view payload);

// Fields in the order they were added.
class Object {
 public:
  Object& add(std::string_view name, uint64_t value) { return raw(name, std::to_string(value)); }
  Object& add(std::string_view name, double value) { return raw(name, number(value)); }
  Object& add(std::string_view name, float value) { return raw(name, number(value)); }
  Object& add(std::string_view name, std::string_view value) {
    return raw(name, json::quoted(value));
  }
  Object& flag(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
  Object& raw(std::string_view name, std::string_view json);
  std::string text() const { return "{" + fields_ + "}"; }

 private:
  std::string fields_;
};

}  // namespace roxanne::json
