// The Python dictionary at the head of an npy file.
#pragma once

#include <cstdint>
#include <string_view>

#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::eval {

struct NpyHeader {
  ScalarType type = ScalarType::kF32;
  uint64_t rows = 0;
  uint64_t dim = 0;
};

// kInvalidArgument unless it is a 2-d C-order array of a type that vectors can have.
Result<NpyHeader> parse_npy_header(std::string_view text);

// As NumPy writes it: "<f4".
std::string_view npy_type_name(ScalarType type);

}  // namespace roxanne::eval
