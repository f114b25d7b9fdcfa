#include "server/target.h"

namespace roxanne::server {
namespace {

constexpr size_t kSegmentsMax = 8;
constexpr size_t kParametersMax = 16;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Cuts `text` at the first `mark` and returns what stood before it.
std::string_view cut(std::string_view& text, char mark) {
  const size_t at = text.find(mark);
  const std::string_view before = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return before;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::optional<Target> parse_target(std::string_view text) {
  if (text.empty() || text.front() != '/') return std::nullopt;
  text.remove_prefix(1);
  std::string_view path = cut(text, '?');
  Target target;
  while (!path.empty()) {
    auto segment = percent_decode(cut(path, '/'));
    if (!segment.has_value() || target.segments.size() == kSegmentsMax) return std::nullopt;
    target.segments.push_back(std::move(*segment));
  }
  while (!text.empty()) {
    std::string_view value = cut(text, '&');
    auto name = percent_decode(cut(value, '='));
    auto decoded = percent_decode(value);
    if (!name.has_value() || !decoded.has_value()) return std::nullopt;
    if (target.parameters.size() == kParametersMax) return std::nullopt;
    target.parameters.emplace_back(std::move(*name), std::move(*decoded));
  }
  return target;
}

}  // namespace roxanne::server
