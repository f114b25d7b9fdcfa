// Routes that walk over a collection.
#include "base/status_macros.h"
#include "json/json_object.h"
#include "server/arguments.h"
#include "server/handlers.h"
#include "server/json_body.h"
#include "server/problem.h"

namespace roxanne::server {
namespace {

constexpr uint64_t kLimitDefault = 100;

struct Page {
  std::optional<Key> after;
  uint64_t limit = kLimitDefault;
  WithFields with;
};

Result<Page> read_page(const Context& context, const Call& call, const Collection& collection) {
  Page page;
  std::optional<uint64_t> limit;
  std::vector<std::string> with;
  const Member members[] = {{"after", OneKey{collection.options().key_type, &page.after}},
                            {"limit", &limit},
                            {"with", &with}};
  ROX_RETURN_IF_ERROR(read_json_body(call.request.body, members));
  page.limit = limit.value_or(std::min<uint64_t>(kLimitDefault, context.limits.scroll_points_max));
  if (page.limit < 1 || page.limit > context.limits.scroll_points_max) {
    return Status::invalid_argument("limit: " + std::to_string(page.limit) + " is not in 1.." +
                                    std::to_string(context.limits.scroll_points_max) +
                                    " (--scroll-points-max)");
  }
  ROX_ASSIGN_OR_RETURN(page.with, parse_with(with));
  return page;
}

Result<std::string> page_json(const Collection& collection, const Page& page, Deadline deadline) {
  ROX_ASSIGN_OR_RETURN(PointScan scan, collection.scan({.order = ScanOrder::kKey,
                                                        .after = page.after,
                                                        .with_vector = page.with.vector,
                                                        .with_payload = page.with.payload,
                                                        .deadline = deadline}));
  ROX_ASSIGN_OR_RETURN(const std::vector<Point> points, scan.next(page.limit));
  std::string body = "{\"points\":[";
  for (size_t i = 0; i < points.size(); ++i) {
    if (i > 0) body += ',';
    append_point(points[i], page.with, body);
  }
  body += "],\"next\":";
  // A full page may be the last; the one after it is then empty.
  if (points.size() == page.limit) {
    append_key(points.back().key, body);
  } else {
    body += "null";
  }
  return body + "}";
}

}  // namespace

Response scroll_points(const Context& context, const Call& call) {
  const auto collection = context.database.collection(call.collection);
  if (!collection) return problem(collection.status());
  const auto page = read_page(context, call, *collection);
  if (!page) return problem(page.status());
  auto body = page_json(*collection, *page, deadline_of(context.limits));
  if (!body) return read_problem(body.status(), context.limits);
  return {.body = std::move(body).value()};
}

Response count_points(const Context& context, const Call& call) {
  const auto collection = context.database.collection(call.collection);
  if (!collection) return problem(collection.status());
  if (!call.request.body.empty()) {
    if (auto status = read_json_body(call.request.body, {}); !status) return problem(status);
  }
  return {.body = json::Object().add("count", collection->size()).text()};
}

}  // namespace roxanne::server
