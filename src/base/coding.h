// Numbers in bytes: little-endian for files, big-endian for keys that must sort.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace roxanne::base {

static_assert(std::endian::native == std::endian::little,
              "file formats are little-endian and read in place");

template <typename T>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void append_big_endian(std::string& out, uint32_t value) {
  append(out, __builtin_bswap32(value));
}
inline void append_big_endian(std::string& out, uint64_t value) {
  append(out, __builtin_bswap64(value));
}
inline uint32_t load_big_endian_u32(const void* from) {
  return __builtin_bswap32(load<uint32_t>(from));
}
inline uint64_t load_big_endian_u64(const void* from) {
  return __builtin_bswap64(load<uint64_t>(from));
}

}  // namespace roxanne::base
