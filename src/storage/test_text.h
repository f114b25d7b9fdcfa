// Text as the bytes of a file, for tests.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace roxanne::storage {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace roxanne::storage
