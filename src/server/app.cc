#include "server/app.h"

#include <algorithm>
#include <new>

#include "base/ascii.h"
#include "base/key_text.h"
#include "server/gzip.h"
#include "server/metrics.h"
#include "server/problem.h"
#include "server/quick_searches.h"

namespace roxanne::server {
namespace {

constexpr size_t kTargetBytesMax = 4096;
// What is read where it arrived: a query of 16,384 numbers and more.
constexpr size_t kQuickBodyBytesMax = 256u << 10;

// "application/json; charset=utf-8" without what is behind the semicolon.
std::string media_type(std::string_view text) {
  text = text.substr(0, text.find(';'));
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return base::lower(text);
}

std::optional<Response> refuse_body(const Route& route, const RequestHead& head,
                                    Admission& admission) {
  const std::string type = media_type(head.content_type);
  admission.has_binary_body = route.body == Body::kJsonOrBinary && type == kBinaryType;
  if (!head.has_body()) return std::nullopt;
  if (route.body == Body::kNone) {
    return problem(ProblemCode::kInvalidArgument, "this route takes no body");
  }
  const std::string coding = base::lower(head.content_encoding);
  admission.has_gzip_body = coding == "gzip" || coding == "x-gzip";
  if (!admission.has_gzip_body && !coding.empty() && coding != "identity") {
    Response refusal =
        problem(ProblemCode::kUnsupportedMediaType, "Content-Encoding may be gzip, or left out");
    refusal.fields = "Accept-Encoding: gzip\r\n";
    return refusal;
  }
  if (admission.has_binary_body || (type == kJsonType)) return std::nullopt;
  return problem(ProblemCode::kUnsupportedMediaType,
                 route.body == Body::kJson
                     ? "Content-Type must be application/json"
                     : "Content-Type must be application/json or application/octet-stream");
}

Response refuse_host(std::string_view host) {
  return problem(ProblemCode::kMisdirected,
                 "this server does not answer to the host " + base::quoted(host) +
                     "; it does to localhost and the machine's own addresses, and to names given "
                     "with --allowed-hosts NAME,NAME. A proxy can send another Host; with --keys "
                     "any may come");
}

// What a misspelt or misplaced option asks for is not done silently without it. Which there may be
// is the handlers' to know.
std::optional<Response> refuse_parameters(const Route& route, const Admission& admission) {
  if (admission.parameters.empty()) return std::nullopt;
  if (!route.takes_parameters) {
    return problem(ProblemCode::kInvalidArgument, "this route takes no parameters after \"?\"");
  }
  if (route.body == Body::kJsonOrBinary && !admission.has_binary_body) {
    return problem(ProblemCode::kInvalidArgument,
                   "with a JSON body options are members of the body, not parameters after \"?\"");
  }
  return std::nullopt;
}

// Compresses a large answer for who asked for it.
void pack(const Admission& admission, Response& response) {
  response.fields += "Vary: Accept-Encoding\r\n";
  std::string packed;
  if (!admission.accepts_gzip || !gzip(response.body, packed)) return;
  response.body = std::move(packed);
  response.fields += "Content-Encoding: gzip\r\n";
}

}  // namespace

std::optional<Response> App::refuse_access(const Route* route, const RequestHead& head) const {
  if (route != nullptr && route->access == Access::kOpen) return std::nullopt;
  if (!hosts_.allow(head.host)) return refuse_host(head.host);
  if (keys_.is_empty()) return std::nullopt;
  const auto allowed = keys_.allowed(head.authorization);
  if (!allowed.has_value()) {
    return problem(ProblemCode::kUnauthorized, head.authorization.empty()
                                                   ? "send \"Authorization: Bearer KEY\""
                                                   : "the key is not one of this server's");
  }
  if (route != nullptr && route->access == Access::kWrite && *allowed != Access::kWrite) {
    return problem(ProblemCode::kForbidden, "the key may only read");
  }
  return std::nullopt;
}

Admission App::admit(const RequestHead& head) const {
  Admission admission;
  if (head.target.size() > kTargetBytesMax) {
    admission.refusal =
        problem(ProblemCode::kUriTooLong,
                "the path is longer than " + std::to_string(kTargetBytesMax) + " bytes");
    return admission;
  }
  auto target = parse_target(head.target);
  if (!target.has_value()) {
    admission.refusal =
        problem(ProblemCode::kInvalidArgument, "the path is no absolute path, or wrongly escaped");
    return admission;
  }
  RouteMatch match = find_route(head.method, *target);
  admission.route = match.route;
  admission.refusal = refuse_access(match.route, head);
  if (admission.refusal.has_value()) return admission;
  if (match.route == nullptr) {
    if (match.allowed.empty()) {
      admission.refusal =
          problem(ProblemCode::kNotFound, "no such path; /openapi.json has them all");
    } else {
      admission.refusal = problem(ProblemCode::kMethodNotAllowed, "the path has " + match.allowed);
      admission.refusal->fields = "Allow: " + match.allowed + "\r\n";
    }
    return admission;
  }
  admission.collection = std::move(match.collection);
  admission.key = std::move(match.key);
  admission.parameters = std::move(target->parameters);
  admission.refusal = refuse_body(*match.route, head, admission);
  if (!admission.refusal.has_value()) {
    admission.refusal = refuse_parameters(*match.route, admission);
  }
  admission.accepts_gzip = head.accepts_gzip;
  admission.wants_binary = match.route->body == Body::kJsonOrBinary &&
                           match.route->method == Method::kPost &&
                           media_type(head.accept) == kBinaryType;
  return admission;
}

Response App::handle(const Admission& admission, const Request& request) const noexcept {
  return call(admission, request, false);
}

Response App::handle_here(const Admission& admission, const Request& request) const noexcept {
  if (!admission.refusal.has_value()) {
    const Route& route = *admission.route;
    const bool may_be = !admission.has_gzip_body &&
                        (route.lane == Lane::kHere ||
                         (route.may_be_quick && request.body.size() <= kQuickBodyBytesMax &&
                          context_.quick_searches.are_quick(admission.collection)));
    if (!may_be) return {.status = kElsewhere};
  }
  return call(admission, request, true);
}

// The body is counted among all that are under way, while it is there.
Response App::call_unpacked(const Admission& admission, const Request& request) const {
  struct Counted {
    std::atomic<uint64_t>& all;
    uint64_t bytes = 0;
    ~Counted() { all.fetch_sub(bytes); }
  } counted{context_.metrics.body_bytes_in_flight};
  const Limits& limits = context_.limits;
  Request unpacked;
  const auto may_grow = [&](uint64_t bytes) {
    counted.bytes += bytes;
    return counted.all.fetch_add(bytes) + bytes <= limits.body_bytes_in_flight_max;
  };
  switch (gunzip(request.body, {.bytes_max = limits.body_bytes_max, .may_grow = may_grow},
                 unpacked.body)) {
    case Gunzip::kBroken:
      return problem(ProblemCode::kInvalidArgument,
                     "the body is not gzip, as Content-Encoding says, or damaged, or cut short");
    case Gunzip::kTooLarge:
      return problem(ProblemCode::kBodyTooLarge,
                     "the body is longer than " + std::to_string(limits.body_bytes_max) +
                         " bytes (--body-bytes-max) when unpacked: send several requests");
    case Gunzip::kRefused:
      return problem(ProblemCode::kOverloaded,
                     "the bodies of all requests together take too much memory");
    case Gunzip::kDone:
      break;
  }
  Admission plain = admission;
  plain.has_gzip_body = false;
  return call(plain, unpacked, false);
}

Response App::call(const Admission& admission, const Request& request,
                   bool is_here) const noexcept {
  try {
    if (admission.refusal.has_value()) return *admission.refusal;
    if (admission.has_gzip_body) return call_unpacked(admission, request);
    Response response =
        admission.route->handle(context_, {.request = request,
                                           .collection = admission.collection,
                                           .key = admission.key,
                                           .parameters = admission.parameters,
                                           .has_binary_body = admission.has_binary_body,
                                           .wants_binary = admission.wants_binary,
                                           .is_here = is_here});
    if (response.body.size() >= context_.limits.gzip_answer_bytes_min) {
      pack(admission, response);
    }
    return response;
  } catch (const std::bad_alloc&) {
    return problem(ProblemCode::kOverloaded, "out of memory");
  } catch (const std::exception& error) {
    return problem(ProblemCode::kInternal, error.what());
  }
}

}  // namespace roxanne::server
