#include "server/routes.h"

#include <array>

#include "server/handlers.h"

namespace roxanne::server {
namespace {

constexpr std::array<Route, 19> kRoutes = {{
    {Method::kGet, "/v1/collections", Access::kRead, Lane::kSearch, Body::kNone, list_collections},
    {Method::kPut, "/v1/collections/{collection}", Access::kWrite, Lane::kWrite, Body::kJson,
     create_collection},
    {Method::kGet, "/v1/collections/{collection}", Access::kRead, Lane::kSearch, Body::kNone,
     describe_collection},
    {Method::kDelete, "/v1/collections/{collection}", Access::kWrite, Lane::kWrite, Body::kNone,
     drop_collection},
    {Method::kPut, "/v1/collections/{collection}/points", Access::kWrite, Lane::kWrite,
     Body::kJsonOrBinary, upsert_points, true},
    {Method::kPost, "/v1/collections/{collection}/points/delete", Access::kWrite, Lane::kWrite,
     Body::kJson, delete_points},
    {Method::kPost, "/v1/collections/{collection}/points/get", Access::kRead, Lane::kSearch,
     Body::kJson, get_points},
    {Method::kGet, "/v1/collections/{collection}/points/{key}", Access::kRead, Lane::kSearch,
     Body::kNone, get_point, true},
    {Method::kDelete, "/v1/collections/{collection}/points/{key}", Access::kWrite, Lane::kWrite,
     Body::kNone, delete_point},
    {Method::kPost, "/v1/collections/{collection}/search", Access::kRead, Lane::kSearch,
     Body::kJsonOrBinary, search_points, true, true},
    {Method::kPost, "/v1/collections/{collection}/scroll", Access::kRead, Lane::kSearch,
     Body::kJson, scroll_points},
    {Method::kPost, "/v1/collections/{collection}/count", Access::kRead, Lane::kSearch, Body::kJson,
     count_points},
    {Method::kPost, "/v1/snapshots", Access::kWrite, Lane::kWrite, Body::kJson, make_snapshot},
    {Method::kGet, "/healthz", Access::kOpen, Lane::kHere, Body::kNone, health},
    {Method::kGet, "/livez", Access::kOpen, Lane::kHere, Body::kNone, health},
    {Method::kGet, "/readyz", Access::kOpen, Lane::kHere, Body::kNone, readiness},
    {Method::kGet, "/metrics", Access::kRead, Lane::kFirst, Body::kNone, show_metrics},
    {Method::kGet, "/openapi.json", Access::kOpen, Lane::kHere, Body::kNone, show_openapi},
    {Method::kGet, "/", Access::kOpen, Lane::kHere, Body::kNone, show_index},
}};

// The next part of a pattern; empty at its end.
std::string_view next_part(std::string_view& pattern) {
  if (!pattern.empty() && pattern.front() == '/') pattern.remove_prefix(1);
  const std::string_view part = pattern.substr(0, pattern.find('/'));
  pattern.remove_prefix(part.size());
  return part;
}

bool matches(std::string_view pattern, const Target& target, RouteMatch& match) {
  for (const std::string& segment : target.segments) {
    const std::string_view part = next_part(pattern);
    if (part.empty()) return false;
    if (part == "{collection}") {
      match.collection = segment;
    } else if (part == "{key}") {
      match.key = segment;
    } else if (part != segment) {
      return false;
    }
  }
  return next_part(pattern).empty();
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

RouteMatch find_route(Method method, const Target& target) {
  const Method wanted = method == Method::kHead ? Method::kGet : method;
  RouteMatch match;
  for (const Route& route : kRoutes) {
    if (!matches(route.path, target, match)) continue;
    if (route.method == wanted) {
      match.route = &route;
      return match;
    }
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += method_name(route.method);
    if (route.method == Method::kGet) match.allowed += ", HEAD";
  }
  return match;
}

}  // namespace roxanne::server
