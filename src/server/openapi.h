// openapi.json, which the build puts into the program.
#pragma once

#include <string_view>

namespace roxanne::server {

extern const std::string_view kOpenapi;

}  // namespace roxanne::server
