// Tests that fail or cut at one place after the other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/sanitized.h"

namespace roxanne::storage {

// They take each place; under a sanitizer, which slows them tenfold, each so many-th: code that is
// sound at one place seldom touches memory that is not its own at the next. ROX_PLACES_APART=N
// says otherwise.
inline uint64_t places_apart() {
  const char* const asked = std::getenv("ROX_PLACES_APART");
  if (asked != nullptr) return std::max(1l, std::atol(asked));
  return base::kIsSanitized ? 7 : 1;
}
inline const uint64_t kPlacesApart = places_apart();

// Of so many places drawn at random the part that kPlacesApart leaves, a tenth at the least.
inline size_t random_places(size_t count) { return count / std::min<uint64_t>(kPlacesApart, 10); }

}  // namespace roxanne::storage
