// What names a request in logs and answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace roxanne::server {

// Whether a client's X-Request-Id may be taken over: 1 to 128 letters, digits, '-', '_', '.'.
bool is_request_id(std::string_view text);
// Whether it is a W3C trace context of version 00.
bool is_traceparent(std::string_view text);
// A new one: 16 hexadecimal digits of the process and as many of the request. From any thread.
std::string new_request_id();

}  // namespace roxanne::server
