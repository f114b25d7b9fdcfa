// An answer before it goes over the wire.
#pragma once

#include <string>
#include <string_view>

namespace roxanne::server {

inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kBinaryType = "application/octet-stream";
inline constexpr std::string_view kProblemType = "application/problem+json";

// Not an answer yet: the request takes longer than it may where it was read.
inline constexpr int kElsewhere = 0;

struct Response {
  int status = 200;
  std::string_view content_type = kJsonType;  // of a literal
  std::string body = {};
  std::string fields = {};  // further header lines, each with its line end
  bool close = false;       // the connection cannot go on after it
};

std::string_view reason_phrase(int status);

struct HeadOptions {
  std::string_view request_id;
  bool keep_alive = true;
  bool says_so = false;  // to clients of HTTP/1.0, which take it for granted that it is not
};
// Status line and header fields, up to the empty line.
void append_head(const Response& response, const HeadOptions& options, std::string& out);

}  // namespace roxanne::server
