#include "base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace roxanne::base {

uint64_t checksum64(const void* bytes, size_t size, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, size, seed);
}

struct Checksum64::State {
  XXH3_state_t xxh;
};

Checksum64::Checksum64(uint64_t seed) : state_(std::make_unique<State>()) {
  XXH3_64bits_reset_withSeed(&state_->xxh, seed);
}
Checksum64::~Checksum64() = default;

void Checksum64::add(const void* bytes, size_t size) {
  XXH3_64bits_update(&state_->xxh, bytes, size);
}
uint64_t Checksum64::value() const { return XXH3_64bits_digest(&state_->xxh); }

}  // namespace roxanne::base
