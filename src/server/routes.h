// The table of all routes: which path and method leads to which handler, and what it takes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "server/call.h"
#include "server/request.h"
#include "server/response.h"
#include "server/target.h"

namespace roxanne::server {

// Who may: everybody, whoever has a key, whoever has a read-write key.
enum class Access : uint8_t { kOpen, kRead, kWrite };
// Where a handler runs: where it was read, among searches, among writes, or as the next of the
// searches, however many wait: who looks after a server that is too busy must get an answer.
enum class Lane : uint8_t { kHere, kSearch, kWrite, kFirst };
// What a body may be.
enum class Body : uint8_t { kNone, kJson, kJsonOrBinary };

struct Route {
  Method method;
  std::string_view path;  // "/v1/collections/{collection}/points/{key}"
  Access access;
  Lane lane;
  Body body;
  Response (*handle)(const Context&, const Call&);
  bool takes_parameters = false;  // behind "?"; beside a JSON body none
  bool may_be_quick = false;      // then `handle` heeds Call::is_here
};

std::span<const Route> routes();

struct RouteMatch {
  const Route* route = nullptr;  // null: no such path, or not with this method
  std::string allowed;           // methods that the path has; empty where there is none such
  std::string collection;
  std::string key;
};
// A HEAD is answered as the GET would be.
RouteMatch find_route(Method method, const Target& target);

}  // namespace roxanne::server
