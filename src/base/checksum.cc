#include "base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace roxanne::base {

uint64_t checksum64(const void* bytes, size_t size, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, size, seed);
}

}  // namespace roxanne::base
