// The path and the parameters of a request's target.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roxanne::server {

// "%2F" to "/". Absent where an escape is not two hexadecimal digits, or of a zero byte.
std::optional<std::string> percent_decode(std::string_view text);

struct Target {
  // What stands between the slashes, decoded: "/v1/collections/a%2Fb" is "v1", "collections",
  // "a/b". A slash at the end counts for nothing.
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> parameters;  // behind "?", in their order
};

// Absent where it is no absolute path, or badly escaped.
std::optional<Target> parse_target(std::string_view text);

}  // namespace roxanne::server
