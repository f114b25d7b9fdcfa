// Routes of collections themselves.
#include "base/status_macros.h"
#include "json/info_json.h"
#include "json/json_object.h"
#include "server/arguments.h"
#include "server/handlers.h"
#include "server/json_body.h"
#include "server/problem.h"

namespace roxanne::server {
namespace {

Result<std::string> description(const Context& context, const std::string& name) {
  ROX_ASSIGN_OR_RETURN(const Collection collection, context.database.collection(name));
  ROX_ASSIGN_OR_RETURN(const CollectionInfo info, collection.info());
  return json::collection_json(info);
}

// A name in a body as one of the library's.
template <typename T>
Status choose(const std::optional<std::string>& name, std::optional<T> (*parse)(std::string_view),
              const char* names, T& out) {
  if (!name.has_value()) return Status::ok();
  const auto value = parse(*name);
  if (!value.has_value()) {
    return Status::invalid_argument("\"" + *name + "\" is not one of " + names);
  }
  out = *value;
  return Status::ok();
}

Result<CollectionOptions> read_options(std::string_view body) {
  std::optional<uint64_t> dim;
  std::optional<std::string> type, metric, key_type;
  const Member members[] = {
      {"dim", &dim}, {"type", &type}, {"metric", &metric}, {"key_type", &key_type}};
  ROX_RETURN_IF_ERROR(read_json_body(body, members));
  if (!dim.has_value()) return Status::invalid_argument("dim: a collection needs one");
  CollectionOptions options;
  options.dim = *dim;
  ROX_RETURN_IF_ERROR(choose(type, parse_scalar_type, "f32, f16, u8, i8", options.type));
  ROX_RETURN_IF_ERROR(choose(metric, parse_metric, "l2, ip, cosine", options.metric));
  ROX_RETURN_IF_ERROR(choose(key_type, parse_key_type, "u64, string", options.key_type));
  return options;
}

bool same(const CollectionOptions& a, const CollectionOptions& b) {
  return a.dim == b.dim && a.type == b.type && a.metric == b.metric && a.key_type == b.key_type;
}

}  // namespace

// Damaged ones too.
Response list_collections(const Context& context, const Call&) {
  const auto info = context.database.info();
  if (!info) return problem(info.status());
  std::vector<std::string> items;
  for (const CollectionInfo& one : info->collections) items.push_back(json::collection_json(one));
  return {.body = "{\"collections\":" + json::list(items) + "}"};
}

Response create_collection(const Context& context, const Call& call) {
  const auto options = read_options(call.request.body);
  if (!options) return problem(options.status());
  const auto made = context.database.create_collection(call.collection, *options);
  int status = 201;
  if (!made) {
    // To say the same thing twice is no mistake: PUT may be repeated.
    const auto found = context.database.collection(call.collection);
    if (made.status().code() != StatusCode::kAlreadyExists || !found ||
        !same(found->options(), *options)) {
      return problem(made.status());
    }
    status = 200;
  }
  auto text = description(context, call.collection);
  if (!text) return problem(text.status());
  return {.status = status, .body = std::move(text).value()};
}

Response describe_collection(const Context& context, const Call& call) {
  auto text = description(context, call.collection);
  if (!text) return problem(text.status());
  return {.body = std::move(text).value()};
}

Response drop_collection(const Context& context, const Call& call) {
  const Status dropped = context.database.drop_collection(call.collection);
  if (!dropped) return problem(dropped);
  return {.status = 204};
}

}  // namespace roxanne::server
