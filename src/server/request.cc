#include "server/request.h"

namespace roxanne::server {
namespace {

constexpr size_t kKeptBodyBytesMax = 64u << 10;

}  // namespace

std::string_view method_name(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kHead:
      return "HEAD";
    case Method::kPut:
      return "PUT";
    case Method::kPost:
      return "POST";
    case Method::kDelete:
      return "DELETE";
    case Method::kOther:
      break;
  }
  return "other";
}

void RequestHead::clear() {
  method = Method::kOther;
  for (std::string* text : {&target, &host, &accept, &authorization, &content_encoding,
                            &content_type, &request_id, &traceparent}) {
    text->clear();
  }
  content_length.reset();
  is_chunked = accepts_gzip = expects_continue = keep_alive = is_http_1_0 = false;
}

void Request::clear() {
  head.clear();
  if (body.capacity() > kKeptBodyBytesMax) {
    std::string().swap(body);
  } else {
    body.clear();
  }
}

}  // namespace roxanne::server
