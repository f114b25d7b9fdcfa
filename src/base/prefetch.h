// Asking for memory before it is looked at.
#pragma once

#include <cstddef>
#include <cstdint>

namespace roxanne::base {

// Every cache line that the bytes lie in, the last one too where they begin inside a line.
inline void prefetch_bytes(const void* bytes, size_t count) {
  constexpr uintptr_t kLineBytes = 64;
  const auto first = reinterpret_cast<uintptr_t>(bytes);
  for (uintptr_t line = first & ~(kLineBytes - 1); line < first + count; line += kLineBytes) {
    __builtin_prefetch(reinterpret_cast<const void*>(line));
  }
}

}  // namespace roxanne::base
