// Keys and numbers as people write them, at every door where they come as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::base {

// Digits only, and no more than fits.
std::optional<uint64_t> parse_u64(std::string_view text);

// In quotes, for messages; what is long is cut short.
std::string quoted(std::string_view text);

// A key of that type. kInvalidArgument, which shows the text.
Result<Key> parse_key(KeyType type, std::string_view text);

}  // namespace roxanne::base
