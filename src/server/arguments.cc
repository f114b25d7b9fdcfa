#include "server/arguments.h"

#include <algorithm>
#include <charconv>

#include "base/status_macros.h"

namespace roxanne::server {
namespace {

constexpr size_t kShownBytesMax = 60;

std::string shown(std::string_view text) {
  return "\"" + std::string(text.substr(0, kShownBytesMax)) +
         (text.size() > kShownBytesMax ? "...\"" : "\"");
}

std::optional<uint64_t> parse_u64(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

Result<Key> parse_key(KeyType type, std::string_view text) {
  if (type == KeyType::kU64) {
    if (const auto number = parse_u64(text)) return Key(*number);
    return Status::invalid_argument(shown(text) +
                                    " is no key: the collection's keys are u64 numbers");
  }
  if (!text.empty() && text.size() <= kKeyBytesMax) return Key(text);
  return Status::invalid_argument(shown(text) + " is no key: string keys are 1 to " +
                                  std::to_string(kKeyBytesMax) + " bytes");
}

Result<WithFields> parse_with(const std::vector<std::string>& names) {
  WithFields with;
  for (const std::string& name : names) {
    if (name == "payload") {
      with.payload = true;
    } else if (name == "vector") {
      with.vector = true;
    } else {
      return Status::invalid_argument("with: " + shown(name) + " is not one of payload, vector");
    }
  }
  return with;
}

std::optional<std::string_view> Parameters::text(std::string_view name) {
  known_.push_back(name);
  for (const auto& [found, value] : call_.parameters) {
    if (found == name) return value;
  }
  return std::nullopt;
}

Result<std::optional<uint64_t>> Parameters::number(std::string_view name) {
  const auto value = text(name);
  if (!value.has_value()) return std::optional<uint64_t>();
  const auto number = parse_u64(*value);
  if (number.has_value()) return number;
  return Status::invalid_argument(std::string(name) + ": expected a whole number, found " +
                                  shown(*value));
}

Result<bool> Parameters::flag(std::string_view name) {
  const auto value = text(name);
  if (!value.has_value() || *value == "false") return false;
  if (*value == "true") return true;
  return Status::invalid_argument(std::string(name) + ": expected true or false, found " +
                                  shown(*value));
}

Result<WithFields> Parameters::with(const WithFields& otherwise) {
  const auto value = text("with");
  if (!value.has_value()) return otherwise;
  std::vector<std::string> names;
  for (std::string_view rest = *value; !rest.empty();) {
    const size_t end = std::min(rest.find(','), rest.size());
    names.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return parse_with(names);
}

Status Parameters::check_rest() const {
  for (size_t i = 0; i < call_.parameters.size(); ++i) {
    const std::string& name = call_.parameters[i].first;
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      return Status::invalid_argument("the parameter " + shown(name) + " is not known here");
    }
    for (size_t j = 0; j < i; ++j) {
      if (call_.parameters[j].first == name) {
        return Status::invalid_argument("the parameter " + shown(name) + " is there twice");
      }
    }
  }
  return Status::ok();
}

}  // namespace roxanne::server
