// Numbers of a JSON array as elements of a vector.
#pragma once

#include <cstddef>
#include <string_view>

#include "roxanne/types.h"

namespace roxanne::json {

// Writes one element, scalar_bytes(type) of them, from a number and its text. False where it does
// not fit: a fraction among integers, out of range, too large to be finite.
using PutNumber = bool (*)(double number, std::string_view text, std::byte* out);
PutNumber put_number_of(ScalarType type);

}  // namespace roxanne::json
