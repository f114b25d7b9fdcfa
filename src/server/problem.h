// What went wrong, as RFC 9457 has it: a body with a status, a title, a detail and a stable code.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "roxanne/status.h"
#include "server/response.h"

namespace roxanne::server {

// Beside those of roxanne::StatusCode, which keep their names.
enum class ProblemCode : uint8_t {
  kInvalidArgument,
  kNotFound,
  kAlreadyExists,
  kLocked,
  kCorruption,
  kDiskFull,
  kReadOnly,
  kIoError,
  kCancelled,
  kUnsupported,
  kMalformedRequest,  // no HTTP/1.1 that can be told apart from an attack
  kUnauthorized,      // no key, or a wrong one
  kForbidden,         // a key that may only read
  kMethodNotAllowed,  // the route knows others: Allow names them
  kNotAcceptable,     // Accept excludes all that there is
  kRequestTimeout,    // the client took too long to send
  kBodyTooLarge,
  kUriTooLong,
  kUnsupportedMediaType,
  kTooManyConnections,  // of this client
  kHeaderTooLarge,
  kInternal,
  kOverloaded,  // a queue is full, or the request waited too long in it
  kShuttingDown,
  kHttpVersion,
  kMisdirected,  // by a name that is not the server's
};

struct ProblemKind {
  ProblemCode code;
  std::string_view name;  // "not_found"
  int status;
  std::string_view title;
};

std::span<const ProblemKind> problem_kinds();
const ProblemKind& problem_kind(ProblemCode code);

Response problem(ProblemCode code, std::string_view detail);
// A failure of the engine.
Response problem(const Status& status);

}  // namespace roxanne::server
