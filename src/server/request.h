// A request as handlers see it: what came over the wire, without the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace roxanne::server {

enum class Method : uint8_t { kGet, kHead, kPut, kPost, kDelete, kOther };
std::string_view method_name(Method method);

// The request line and the header fields that mean something here; empty where not given.
struct RequestHead {
  Method method = Method::kOther;
  std::string target;
  std::string host;
  std::string accept;
  std::string authorization;
  std::string content_encoding;
  std::string content_type;
  std::string request_id;
  std::string traceparent;
  std::optional<uint64_t> content_length;
  bool is_chunked = false;
  bool accepts_gzip = false;
  bool expects_continue = false;
  bool keep_alive = false;
  bool is_http_1_0 = false;

  bool has_body() const { return is_chunked || content_length.value_or(0) > 0; }
  void clear();
};

struct Request {
  RequestHead head;
  std::string body;

  void clear();  // keeps the memory of small bodies for the next request
};

}  // namespace roxanne::server
