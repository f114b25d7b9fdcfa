#include "server/answer_json.h"

#include <charconv>
#include <cmath>

#include "json/json_object.h"
#include "json/json_text.h"

namespace roxanne::server {
namespace {

// Digits of any number; shortest text that reads back as the same.
constexpr size_t kNumberBytesMax = 32;
constexpr size_t kNeighborBytes = 48;  // about, without fields

template <typename Number>
void append_number(Number number, std::string& out) {
  char text[kNumberBytesMax];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

void append_hex(std::string_view bytes, std::string& out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

void append_vector(const Vector& vector, std::string& out) {
  size_t column = 0;
  json::append_json_vector(out, vector.view(), column);
}

void append_payload(const std::optional<std::string>& payload, std::string& out) {
  out += payload.has_value() ? json::payload_text(*payload) : "null";
}

}  // namespace

void append_key(const Key& key, std::string& out) {
  if (key.type() == KeyType::kU64) {
    append_number(key.u64(), out);
  } else if (json::is_utf8(key.str())) {
    json::append_json_string(out, key.str());
  } else {
    out += "{\"hex\":\"";
    append_hex(key.str(), out);
    out += "\"}";
  }
}

void append_neighbors(const std::vector<Neighbor>& neighbors, const WithFields& with,
                      std::string& out) {
  out.reserve(out.size() + neighbors.size() * kNeighborBytes);
  out += '[';
  for (size_t i = 0; i < neighbors.size(); ++i) {
    const Neighbor& neighbor = neighbors[i];
    out += i == 0 ? "{\"key\":" : ",{\"key\":";
    append_key(neighbor.key, out);
    out += ",\"distance\":";
    if (std::isfinite(neighbor.distance)) {
      append_number(neighbor.distance, out);
    } else {
      out += "null";
    }
    if (with.payload) {
      out += ",\"payload\":";
      append_payload(neighbor.payload, out);
    }
    if (with.vector && neighbor.vector.has_value()) {
      out += ",\"vector\":";
      append_vector(*neighbor.vector, out);
    }
    out += '}';
  }
  out += ']';
}

void append_point(const Point& point, const WithFields& with, std::string& out) {
  out += "{\"key\":";
  append_key(point.key, out);
  if (with.vector) {
    out += ",\"vector\":";
    append_vector(point.vector, out);
  }
  if (with.payload) {
    out += ",\"payload\":";
    append_payload(point.payload, out);
  }
  out += '}';
}

}  // namespace roxanne::server
