// Routes of points: written, read and deleted by key.
#include "base/deadline.h"
#include "base/key_text.h"
#include "base/status_macros.h"
#include "json/json_object.h"
#include "server/arguments.h"
#include "server/binary_body.h"
#include "server/handlers.h"
#include "server/json_body.h"
#include "server/problem.h"

namespace roxanne::server {
namespace {

Result<OnDuplicate> parse_on_duplicate(std::string_view name) {
  if (name == "replace") return OnDuplicate::kReplace;
  if (name == "error") return OnDuplicate::kError;
  if (name == "skip") return OnDuplicate::kSkip;
  return Status::invalid_argument("on_duplicate: \"" + std::string(name) +
                                  "\" is not one of replace, error, skip");
}

Result<UpsertCounts> upsert_json(const Context& context, const Call& call, Collection& collection) {
  const CollectionOptions& shape = collection.options();
  const size_t count_max = context.limits.points_per_batch_max;
  Points points{{.type = shape.key_type, .count_max = count_max},
                {.type = shape.type, .dim = shape.dim, .count_max = count_max}};
  std::optional<std::string> on_duplicate;
  const Member members[] = {{"points", &points, true}, {"on_duplicate", &on_duplicate}};
  ROX_RETURN_IF_ERROR(read_json_body(call.request.body, members));
  UpsertOptions options;
  ROX_ASSIGN_OR_RETURN(options.on_duplicate, parse_on_duplicate(on_duplicate.value_or("replace")));
  if (points.has_payload) options.payloads = points.payloads;
  return collection.upsert(points.keys.view(), points.rows.view(), options);
}

Result<UpsertCounts> upsert_binary(const Context& context, const Call& call,
                                   Collection& collection) {
  const CollectionOptions& shape = collection.options();
  Parameters parameters(call);
  UpsertOptions options;
  ROX_ASSIGN_OR_RETURN(options.on_duplicate,
                       parse_on_duplicate(parameters.text("on_duplicate").value_or("replace")));
  ROX_RETURN_IF_ERROR(parameters.check_rest());
  ROX_ASSIGN_OR_RETURN(
      const BinaryPoints points,
      read_binary_points(call.request.body, {shape.type, shape.dim, shape.key_type},
                         context.limits.points_per_batch_max));
  return collection.upsert(points.keys.view(), points.rows, options);
}

Result<Keys> read_keys(const Context& context, const Call& call, const Collection& collection,
                       std::vector<std::string>* with) {
  Keys keys{.type = collection.options().key_type,
            .count_max = context.limits.points_per_batch_max};
  std::vector<Member> members = {{"keys", &keys, true}};
  if (with != nullptr) members.push_back({"with", with});
  ROX_RETURN_IF_ERROR(read_json_body(call.request.body, members));
  return keys;
}

// Appends a point and returns true, or false where there is none of that key.
Result<bool> append_point_of(const Collection& collection, const Key& key, const WithFields& with,
                             std::string& out) {
  const auto point = collection.get(key, {.with_payload = with.payload});
  if (point) {
    append_point(*point, with, out);
    return true;
  }
  if (point.status().code() == StatusCode::kNotFound) return false;
  return point.status();
}

Result<std::string> points_json(const Collection& collection, const Keys& keys,
                                const WithFields& with, Deadline deadline) {
  std::string found, missing;
  for (size_t i = 0; i < keys.size(); ++i) {
    ROX_RETURN_IF_ERROR(base::check_deadline(deadline));
    const Key key = keys.view().key(i);
    const size_t before = found.size();
    if (before > 0) found += ',';
    ROX_ASSIGN_OR_RETURN(const bool is_there, append_point_of(collection, key, with, found));
    if (is_there) continue;
    found.resize(before);
    if (!missing.empty()) missing += ',';
    append_key(key, missing);
  }
  return "{\"points\":[" + found + "],\"missing\":[" + missing + "]}";
}

}  // namespace

Response upsert_points(const Context& context, const Call& call) {
  auto collection = context.database.collection(call.collection);
  if (!collection) return problem(collection.status());
  const auto counts = call.has_binary_body ? upsert_binary(context, call, *collection)
                                           : upsert_json(context, call, *collection);
  if (!counts) return problem(counts.status());
  json::Object body;
  body.add("inserted", counts->inserted).add("replaced", counts->replaced);
  body.add("skipped", counts->skipped);
  return {.body = body.text()};
}

Response delete_points(const Context& context, const Call& call) {
  auto collection = context.database.collection(call.collection);
  if (!collection) return problem(collection.status());
  const auto keys = read_keys(context, call, *collection, nullptr);
  if (!keys) return problem(keys.status());
  const auto deleted = collection->erase(keys->view());
  if (!deleted) return problem(deleted.status());
  return {.body = json::Object().add("deleted", *deleted).text()};
}

Response get_points(const Context& context, const Call& call) {
  const auto collection = context.database.collection(call.collection);
  if (!collection) return problem(collection.status());
  std::vector<std::string> names;
  const auto keys = read_keys(context, call, *collection, &names);
  if (!keys) return problem(keys.status());
  const auto with = parse_with(names);
  if (!with) return problem(with.status());
  if ((with->payload || with->vector) &&
      keys->size() > context.limits.answers_with_fields_per_search_max) {
    return problem(ProblemCode::kInvalidArgument,
                   "keys: with payloads or vectors one request may have " +
                       std::to_string(context.limits.answers_with_fields_per_search_max) +
                       " (--answers-with-fields-per-search-max)");
  }
  auto body = points_json(*collection, *keys, *with, deadline_of(context.limits));
  if (!body) return read_problem(body.status(), context.limits);
  return {.body = std::move(body).value()};
}

Response get_point(const Context& context, const Call& call) {
  const auto collection = context.database.collection(call.collection);
  if (!collection) return problem(collection.status());
  Parameters parameters(call);
  const auto with = parameters.with({.payload = true, .vector = true});
  if (!with) return problem(with.status());
  if (auto status = parameters.check_rest(); !status) return problem(status);
  const auto key = base::parse_key(collection->options().key_type, call.key);
  if (!key) return problem(key.status());
  const auto point = collection->get(*key, {.with_payload = with->payload});
  if (!point) return problem(point.status());
  Response response;
  append_point(*point, *with, response.body);
  return response;
}

Response delete_point(const Context& context, const Call& call) {
  auto collection = context.database.collection(call.collection);
  if (!collection) return problem(collection.status());
  const auto key = base::parse_key(collection->options().key_type, call.key);
  if (!key) return problem(key.status());
  Keys keys{.type = key->type()};
  if (key->type() == KeyType::kU64) {
    keys.numbers = {key->u64()};
  } else {
    keys.strings = {key->str()};
  }
  const auto deleted = collection->erase(keys.view());
  if (!deleted) return problem(deleted.status());
  if (*deleted == 0) {
    return problem(ProblemCode::kNotFound, "there is no point of the key \"" + call.key + "\"");
  }
  return {.status = 204};
}

}  // namespace roxanne::server
