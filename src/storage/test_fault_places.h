// Tests that fail or cut at one place after the other.
#pragma once

#include <cstdint>

#include "base/sanitized.h"

namespace roxanne::storage {

// They take each place; under a sanitizer, which slows them tenfold, each so many-th: code that is
// sound at one place seldom touches memory that is not its own at the next.
inline constexpr uint64_t kPlacesApart = base::kIsSanitized ? 7 : 1;

}  // namespace roxanne::storage
