// Routes for whoever runs the server.
#include <filesystem>

#include "json/json_object.h"
#include "server/arguments.h"
#include "server/handlers.h"
#include "server/json_body.h"
#include "server/metrics.h"
#include "server/openapi.h"
#include "server/problem.h"

namespace roxanne::server {
namespace {

constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr size_t kSnapshotNameBytesMax = 128;

// A name and no path: it stays within the folder for snapshots.
bool is_snapshot_name(std::string_view name) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= kSnapshotNameBytesMax && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_fine);
}

}  // namespace

Response make_snapshot(const Context& context, const Call& call) {
  if (context.snapshot_folder.empty()) {
    return problem(ProblemCode::kUnsupported,
                   "no folder for snapshots: start the server with --snapshot-folder FOLDER");
  }
  std::optional<std::string> name;
  const Member members[] = {{"name", &name}};
  if (auto status = read_json_body(call.request.body, members); !status) return problem(status);
  if (!name.has_value() || !is_snapshot_name(*name)) {
    return problem(ProblemCode::kInvalidArgument,
                   "name: expected 1 to " + std::to_string(kSnapshotNameBytesMax) +
                       " letters, digits, '_', '-' and '.', not '.' first");
  }
  // One at a time: they take long, and writes wait for the same threads.
  if (context.operations.snapshot.exchange(true)) {
    return problem(ProblemCode::kOverloaded, "another snapshot is being made");
  }
  struct End {
    std::atomic<bool>& snapshot;
    ~End() { snapshot = false; }
  } const end{context.operations.snapshot};
  const std::filesystem::path path = std::filesystem::path(context.snapshot_folder) / *name;
  const auto report = context.database.snapshot(
      path.string(), {.progress = [&](double) { return !context.operations.give_up; }});
  if (!report) return problem(report.status());
  json::Object body;
  body.add("name", *name).add("collections", report->collections).add("points", report->points);
  body.add("bytes_copied", report->bytes_copied).add("bytes_shared", report->bytes_shared);
  return {.status = 201, .body = body.text()};
}

Response health(const Context&, const Call&) { return {.body = R"({"status":"ok"})"}; }

Response readiness(const Context& context, const Call&) {
  if (context.metrics.is_ready) return {.body = R"({"status":"ready"})"};
  return problem(ProblemCode::kShuttingDown, "no new requests, please");
}

Response show_metrics(const Context& context, const Call&) {
  const auto info = context.database.info();
  if (!info) return problem(info.status());
  return {.content_type = kMetricsType, .body = context.metrics.text(*info)};
}

Response show_openapi(const Context&, const Call&) { return {.body = std::string(kOpenapi)}; }

Response show_index(const Context&, const Call&) {
  json::Object body;
  body.add("name", "roxanne").add("version", version()).add("api", "/openapi.json");
  return {.body = body.text()};
}

}  // namespace roxanne::server
