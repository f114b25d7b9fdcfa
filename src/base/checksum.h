// Checksums of stored bytes: XXH3, the 64-bit hash of the xxHash library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace roxanne::base {

uint64_t checksum64(const void* bytes, size_t size, uint64_t seed = 0);

// The same of bytes that come in parts.
class Checksum64 {
 public:
  explicit Checksum64(uint64_t seed = 0);
  ~Checksum64();
  void add(const void* bytes, size_t size);
  uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The low half: what a row carries. `seed` binds the bytes to their place.
inline uint32_t checksum32(const void* bytes, size_t size, uint64_t seed) {
  return static_cast<uint32_t>(checksum64(bytes, size, seed));
}

}  // namespace roxanne::base
