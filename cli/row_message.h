// Row numbers in messages of the library count within its batch; people count within their file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace roxanne::cli {

// The message with the number behind its last "row " mapped; unchanged where there is none.
std::string renumber_row(const std::string& message,
                         const std::function<uint64_t(uint64_t)>& source_row);

}  // namespace roxanne::cli
