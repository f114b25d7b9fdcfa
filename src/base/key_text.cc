#include "base/key_text.h"

#include <charconv>

namespace roxanne::base {

std::optional<uint64_t> parse_u64(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::string quoted(std::string_view text) {
  constexpr size_t kShownMax = 60;
  return "\"" + std::string(text.substr(0, kShownMax)) + (text.size() > kShownMax ? "..." : "") +
         "\"";
}

Result<Key> parse_key(KeyType type, std::string_view text) {
  if (type == KeyType::kU64) {
    if (const auto number = parse_u64(text)) return Key(*number);
    return Status::invalid_argument(base::quoted(text) +
                                    " is no key: the collection's keys are u64 numbers");
  }
  if (!text.empty() && text.size() <= kKeyBytesMax) return Key(text);
  return Status::invalid_argument(base::quoted(text) + " is no key: string keys are 1 to " +
                                  std::to_string(kKeyBytesMax) + " bytes");
}

}  // namespace roxanne::base
