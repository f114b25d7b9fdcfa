// JSON for --json: objects of one line, numbers as short as they can be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "roxanne/types.h"

namespace roxanne::cli {

std::string json_text(std::string_view text);  // quoted and escaped
std::string json_number(double value);         // null where it is not finite
std::string json_number(float value);
std::string json_key(const Key& key);
std::string json_vector(const VectorView& vector);
std::string json_list(const std::vector<std::string>& items);  // of JSON
// A payload as stored, which may span lines, on one line.
std::string json_payload(std::string_view payload);

// Fields in the order they were added.
class JsonObject {
 public:
  JsonObject& add(std::string_view name, uint64_t value) {
    return raw(name, std::to_string(value));
  }
  JsonObject& add(std::string_view name, double value) { return raw(name, json_number(value)); }
  JsonObject& add(std::string_view name, float value) { return raw(name, json_number(value)); }
  JsonObject& add(std::string_view name, std::string_view value) {
    return raw(name, json_text(value));
  }
  JsonObject& flag(std::string_view name, bool value) {
    return raw(name, value ? "true" : "false");
  }
  JsonObject& raw(std::string_view name, std::string_view json);
  std::string text() const { return "{" + fields_ + "}"; }

 private:
  std::string fields_;
};

}  // namespace roxanne::cli
