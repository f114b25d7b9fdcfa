// What each route does: a request to calls of the API, their answers to a response. No handler
// knows of sockets or threads.
#pragma once

#include "server/call.h"
#include "server/response.h"

namespace roxanne::server {

// collections.cc
Response list_collections(const Context& context, const Call& call);
Response create_collection(const Context& context, const Call& call);
Response describe_collection(const Context& context, const Call& call);
Response drop_collection(const Context& context, const Call& call);
// points.cc
Response upsert_points(const Context& context, const Call& call);
Response delete_points(const Context& context, const Call& call);
Response get_points(const Context& context, const Call& call);
Response get_point(const Context& context, const Call& call);
Response delete_point(const Context& context, const Call& call);
// search.cc
Response search_points(const Context& context, const Call& call);
// scroll.cc
Response scroll_points(const Context& context, const Call& call);
Response count_points(const Context& context, const Call& call);
// operations.cc
Response make_snapshot(const Context& context, const Call& call);
Response health(const Context& context, const Call& call);
Response readiness(const Context& context, const Call& call);
Response show_metrics(const Context& context, const Call& call);
Response show_openapi(const Context& context, const Call& call);
Response show_index(const Context& context, const Call& call);

}  // namespace roxanne::server
