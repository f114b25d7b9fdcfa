#include "server/request_id.h"

#include <algorithm>
#include <atomic>
#include <random>

namespace roxanne::server {
namespace {

constexpr size_t kRequestIdBytesMax = 128;
constexpr size_t kTraceparentBytes = 55;  // 00-(32)-(16)-(2)

bool is_lower_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

void append_hex(uint64_t number, std::string& out) {
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[number >> shift & 15];
}

uint64_t process_number() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kRequestIdBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-' || c == '_' || c == '.';
         });
}

bool is_traceparent(std::string_view text) {
  if (text.size() != kTraceparentBytes || !text.starts_with("00-")) return false;
  for (size_t i = 3; i < text.size(); ++i) {
    const bool is_dash = i == 35 || i == 52;
    if (is_dash ? text[i] != '-' : !is_lower_hex(text[i])) return false;
  }
  return true;
}

std::string new_request_id() {
  static const uint64_t process = process_number();
  static std::atomic<uint64_t> next{1};
  std::string id;
  id.reserve(32);
  append_hex(process, id);
  append_hex(next.fetch_add(1, std::memory_order_relaxed), id);
  return id;
}

}  // namespace roxanne::server
