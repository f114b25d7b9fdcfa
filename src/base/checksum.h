// Checksums of stored bytes: XXH3, the 64-bit hash of the xxHash library.
#pragma once

#include <cstddef>
#include <cstdint>

namespace roxanne::base {

uint64_t checksum64(const void* bytes, size_t size, uint64_t seed = 0);

// The low half: what a row carries. `seed` binds the bytes to their place.
inline uint32_t checksum32(const void* bytes, size_t size, uint64_t seed) {
  return static_cast<uint32_t>(checksum64(bytes, size, seed));
}

}  // namespace roxanne::base
