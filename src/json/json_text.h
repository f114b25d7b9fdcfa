// The pieces of JSON that are written: strings, and vectors as arrays of numbers.
#pragma once

#include <string>
#include <string_view>

#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::json {

// The characters of a JSON string, without its quotes.
void append_json_escaped(std::string& out, std::string_view text);
// Quoted.
void append_json_string(std::string& out, std::string_view text);
// Well-formed UTF-8: JSON text can be nothing else.
bool is_utf8(std::string_view text);
// The same text, with U+FFFD for every byte that is not part of such.
std::string valid_utf8(std::string_view text);
// Numbers that read back as the same values. False, and `column` set, where one is not finite.
bool append_json_vector(std::string& out, VectorView vector, size_t& column);

}  // namespace roxanne::json
