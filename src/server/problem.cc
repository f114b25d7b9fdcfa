#include "server/problem.h"

#include <array>

#include "json/json_object.h"
#include "json/json_text.h"

namespace roxanne::server {
namespace {

constexpr std::array<ProblemKind, 26> kKinds = {{
    {ProblemCode::kInvalidArgument, "invalid_argument", 400, "The request asks for what cannot be"},
    {ProblemCode::kNotFound, "not_found", 404, "There is no such thing"},
    {ProblemCode::kAlreadyExists, "already_exists", 409, "It is there already"},
    {ProblemCode::kLocked, "locked", 503, "Another process holds the database"},
    {ProblemCode::kCorruption, "corruption", 500, "Stored bytes fail a check"},
    {ProblemCode::kDiskFull, "disk_full", 507, "The disk is full"},
    {ProblemCode::kReadOnly, "read_only", 403, "The database takes no writes"},
    {ProblemCode::kIoError, "io_error", 500, "The disk refused"},
    {ProblemCode::kCancelled, "cancelled", 503, "Stopped before it was done"},
    {ProblemCode::kUnsupported, "unsupported", 501, "This server does not do that"},
    {ProblemCode::kMalformedRequest, "malformed_request", 400, "The request is not HTTP"},
    {ProblemCode::kUnauthorized, "unauthorized", 401, "A valid key is needed"},
    {ProblemCode::kForbidden, "forbidden", 403, "The key may not do that"},
    {ProblemCode::kMethodNotAllowed, "method_not_allowed", 405, "The route knows other methods"},
    {ProblemCode::kNotAcceptable, "not_acceptable", 406, "No answer of that type"},
    {ProblemCode::kRequestTimeout, "request_timeout", 408, "The request took too long to arrive"},
    {ProblemCode::kBodyTooLarge, "body_too_large", 413, "The body is too large"},
    {ProblemCode::kUriTooLong, "uri_too_long", 414, "The path is too long"},
    {ProblemCode::kUnsupportedMediaType, "unsupported_media_type", 415, "No body of that type"},
    {ProblemCode::kTooManyConnections, "too_many_connections", 429, "Too many connections"},
    {ProblemCode::kHeaderTooLarge, "header_too_large", 431, "The header is too large"},
    {ProblemCode::kInternal, "internal", 500, "A mistake of the server"},
    {ProblemCode::kOverloaded, "overloaded", 503, "Too much is asked at the moment"},
    {ProblemCode::kShuttingDown, "shutting_down", 503, "The server is shutting down"},
    {ProblemCode::kHttpVersion, "http_version", 505, "Only HTTP/1.1 and HTTP/1.0 are spoken"},
    {ProblemCode::kMisdirected, "misdirected", 421, "The host is not this server's"},
}};

constexpr bool in_order() {
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i].code != static_cast<ProblemCode>(i)) return false;
  }
  return true;
}
static_assert(in_order(), "a code is its place in the table");

ProblemCode problem_code_of(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return ProblemCode::kInternal;
    case StatusCode::kInvalidArgument:
      return ProblemCode::kInvalidArgument;
    case StatusCode::kNotFound:
      return ProblemCode::kNotFound;
    case StatusCode::kAlreadyExists:
      return ProblemCode::kAlreadyExists;
    case StatusCode::kLocked:
      return ProblemCode::kLocked;
    case StatusCode::kCorruption:
      return ProblemCode::kCorruption;
    case StatusCode::kDiskFull:
      return ProblemCode::kDiskFull;
    case StatusCode::kReadOnly:
      return ProblemCode::kReadOnly;
    case StatusCode::kIoError:
      return ProblemCode::kIoError;
    case StatusCode::kCancelled:
      return ProblemCode::kCancelled;
    case StatusCode::kUnsupported:
      return ProblemCode::kUnsupported;
  }
  return ProblemCode::kInternal;
}

}  // namespace

std::span<const ProblemKind> problem_kinds() { return kKinds; }

const ProblemKind& problem_kind(ProblemCode code) { return kKinds[static_cast<size_t>(code)]; }

Response problem(ProblemCode code, std::string_view detail) {
  const ProblemKind& kind = problem_kind(code);
  json::Object body;
  body.add("type", "about:blank").add("title", kind.title);
  body.add("status", static_cast<uint64_t>(kind.status)).add("code", kind.name);
  body.add("detail", json::valid_utf8(detail));
  Response response{.status = kind.status, .content_type = kProblemType, .body = body.text()};
  if (kind.status == 429 || kind.status == 503) response.fields = "Retry-After: 1\r\n";
  if (kind.status == 401) response.fields = "WWW-Authenticate: Bearer\r\n";
  return response;
}

Response problem(const Status& status) {
  return problem(problem_code_of(status.code()), status.message());
}

}  // namespace roxanne::server
