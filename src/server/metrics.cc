#include "server/metrics.h"

#include <algorithm>

#include "json/json_object.h"

namespace roxanne::server {
namespace {

constexpr double kNanosecondsPerSecond = 1e9;

// Prometheus' text format, version 0.0.4.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  Writer& family(const char* name, const char* type, const char* help) {
    name_ = name;
    out_ += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
    return *this;
  }
  Writer& value(uint64_t number, const std::string& labels = {}, const char* suffix = "") {
    return line(std::to_string(number), labels, suffix);
  }
  Writer& value(double number, const std::string& labels = {}, const char* suffix = "") {
    return line(json::number(number), labels, suffix);
  }
  void one(const char* name, const char* type, const char* help, uint64_t number) {
    family(name, type, help).value(number);
  }

 private:
  Writer& line(const std::string& number, const std::string& labels, const char* suffix) {
    out_ += name_ + suffix + (labels.empty() ? "" : "{" + labels + "}") + " " + number + "\n";
    return *this;
  }
  std::string& out_;
  std::string name_;
};

// Collection names have no character that would need escaping.
std::string label(const char* name, std::string_view value) {
  return std::string(name) + "=\"" + std::string(value) + "\"";
}

std::string route_labels(const Route* route) {
  if (route == nullptr) return label("method", "other") + "," + label("route", "unknown");
  return label("method", method_name(route->method)) + "," + label("route", route->path);
}

template <typename Number>
void of_collections(Writer& writer, const DatabaseInfo& info,
                    Number (*number)(const CollectionInfo&)) {
  for (const CollectionInfo& one : info.collections) {
    writer.value(number(one), label("collection", one.name));
  }
}

void append_memory(const DatabaseInfo& info, Writer& writer) {
  writer.family("roxanne_memory_bytes", "gauge", "Memory by owner and part.");
  for (const MemoryPart& part : info.memory) {
    writer.value(part.bytes, label("collection", "") + "," + label("part", part.name));
  }
  for (const CollectionInfo& one : info.collections) {
    for (const MemoryPart& part : one.memory) {
      writer.value(part.bytes, label("collection", one.name) + "," + label("part", part.name));
    }
  }
}

void append_database(const DatabaseInfo& info, std::string& out) {
  Writer writer(out);
  writer.one("roxanne_read_only", "gauge",
             "1: opened so, or since a write failed so that none may follow.",
             info.read_only ? 1 : 0);
  writer.one("roxanne_memory_limit_bytes", "gauge", "What --memory-limit allows.",
             info.memory_limit_bytes);
  writer.one("roxanne_memory_used_bytes", "gauge", "Sum of roxanne_memory_bytes.",
             info.memory_used_bytes);
  writer.one("process_resident_memory_bytes", "gauge", "Of the whole process.",
             info.resident_set_bytes);
  writer.one("roxanne_disk_bytes", "gauge", "The folder, allocated blocks.", info.bytes_on_disk);
  writer.one("roxanne_redo_bytes", "gauge", "Replayed by the next open if the process died now.",
             info.redo_bytes);
  append_memory(info, writer);
  writer.family("roxanne_points", "gauge", "Live points.");
  of_collections<uint64_t>(writer, info, [](const CollectionInfo& one) { return one.points; });
  writer.family("roxanne_unindexed_points", "gauge",
                "The delta: points that no graph has taken in yet.");
  of_collections<uint64_t>(writer, info,
                           [](const CollectionInfo& one) { return one.index.unindexed_points; });
  writer.family("roxanne_dead_nodes", "gauge", "Deleted points that a graph still has.");
  of_collections<uint64_t>(writer, info,
                           [](const CollectionInfo& one) { return one.index.dead_nodes; });
  writer.family("roxanne_index_added_total", "counter", "Points taken into graphs since start.");
  of_collections<uint64_t>(writer, info,
                           [](const CollectionInfo& one) { return one.index.updates.added; });
  writer.family("roxanne_collection_disk_bytes", "gauge", "Vectors file and graph.");
  of_collections<uint64_t>(writer, info,
                           [](const CollectionInfo& one) { return one.bytes_on_disk; });
}

}  // namespace

Metrics::Metrics() : routes_(new OfRoute[routes().size() + 1]) {}

Metrics::OfRoute& Metrics::of(const Route* route) {
  const auto all = server::routes();
  return routes_[route == nullptr ? all.size() : static_cast<size_t>(route - all.data())];
}

void Metrics::add_response(const Route* route, int status) {
  const size_t status_class =
      std::min<size_t>(static_cast<size_t>(status) / 100, kStatusClasses - 1);
  of(route).responses[status_class].fetch_add(1, std::memory_order_relaxed);
}

void Metrics::add_time(const Route* route, double seconds) {
  const auto bucket = std::lower_bound(kBucketSeconds.begin(), kBucketSeconds.end(), seconds);
  const auto relaxed = std::memory_order_relaxed;
  OfRoute& times = of(route);
  times.buckets[static_cast<size_t>(bucket - kBucketSeconds.begin())].fetch_add(1, relaxed);
  times.nanoseconds.fetch_add(static_cast<uint64_t>(seconds * kNanosecondsPerSecond), relaxed);
}

void Metrics::add_search(const SearchStats& cost) {
  const auto relaxed = std::memory_order_relaxed;
  search_.queries.fetch_add(cost.queries, relaxed);
  search_.reads.fetch_add(cost.reads, relaxed);
  search_.bytes_read.fetch_add(cost.bytes_read, relaxed);
  search_.cache_hits.fetch_add(cost.cache_hits, relaxed);
  search_.read_rounds.fetch_add(cost.read_rounds, relaxed);
  search_.distance_computations.fetch_add(cost.distance_computations, relaxed);
  search_.hops.fetch_add(cost.hops, relaxed);
}

void Metrics::append_routes(std::string& out) const {
  const auto all = server::routes();
  const auto labels_of = [&](size_t i) { return route_labels(i < all.size() ? &all[i] : nullptr); };
  Writer writer(out);
  writer.family("roxanne_http_responses_total", "counter", "Responses by route and status class.");
  for (size_t i = 0; i <= all.size(); ++i) {
    for (size_t digit = 1; digit < kStatusClasses; ++digit) {
      const uint64_t count = routes_[i].responses[digit];
      if (count == 0) continue;
      writer.value(count, labels_of(i) + "," + label("class", std::to_string(digit) + "xx"));
    }
  }
  writer.family("roxanne_http_request_seconds", "histogram",
                "From a request's last byte to its answer's being ready.");
  for (size_t i = 0; i <= all.size(); ++i) {
    uint64_t count = 0;
    for (const auto& bucket : routes_[i].buckets) count += bucket;
    if (count == 0) continue;
    const std::string labels = labels_of(i);
    uint64_t below = 0;
    for (size_t bucket = 0; bucket < kBucketSeconds.size(); ++bucket) {
      below += routes_[i].buckets[bucket];
      writer.value(below, labels + "," + label("le", json::number(kBucketSeconds[bucket])),
                   "_bucket");
    }
    below += routes_[i].buckets[kBucketSeconds.size()];
    writer.value(below, labels + "," + label("le", "+Inf"), "_bucket");
    writer.value(static_cast<double>(routes_[i].nanoseconds) / kNanosecondsPerSecond, labels,
                 "_sum");
    writer.value(below, labels, "_count");
  }
}

void Metrics::append_server(std::string& out) const {
  Writer writer(out);
  writer.one("roxanne_ready", "gauge", "Whether /readyz says yes.", is_ready ? 1 : 0);
  writer.one("roxanne_connections", "gauge", "Open connections.", connections);
  writer.one("roxanne_connections_total", "counter", "Accepted connections.", connections_total);
  writer.one("roxanne_connections_refused_total", "counter", "Connections above a limit.",
             connections_refused_total);
  writer.one("roxanne_timeouts_total", "counter", "Connections that were too slow.",
             timeouts_total);
  writer.family("roxanne_queue_requests", "gauge", "Requests that wait for a thread.");
  writer.value(search_queue.load(), label("queue", "search"));
  writer.value(write_queue.load(), label("queue", "write"));
  writer.one("roxanne_queue_refused_total", "counter", "Requests refused by a full queue.",
             queue_refused_total);
  writer.one("roxanne_body_bytes_in_flight", "gauge", "Bodies of requests that are not answered.",
             body_bytes_in_flight);
  writer.one("roxanne_answer_bytes_in_flight", "gauge",
             "Answers of 16 KiB and more that are not sent yet.", answer_bytes_in_flight);
}

void Metrics::append_search(std::string& out) const {
  Writer writer(out);
  writer.one("roxanne_search_queries_total", "counter", "Queries searched.", search_.queries);
  writer.one("roxanne_search_reads_total", "counter", "Reads sent to the file system.",
             search_.reads);
  writer.one("roxanne_search_read_bytes_total", "counter", "Bytes of them.", search_.bytes_read);
  writer.one("roxanne_search_cache_hits_total", "counter", "Pages found in memory instead.",
             search_.cache_hits);
  writer.one("roxanne_search_read_rounds_total", "counter", "Times a query waited for reads.",
             search_.read_rounds);
  writer.one("roxanne_search_distance_computations_total", "counter", "Query-vector pairs.",
             search_.distance_computations);
  writer.one("roxanne_search_hops_total", "counter", "Graph nodes expanded.", search_.hops);
}

std::string Metrics::text(const DatabaseInfo& info) const {
  std::string out;
  Writer(out)
      .family("roxanne_build_info", "gauge", "The version that runs.")
      .value(uint64_t{1}, label("version", version()) + "," + label("isa", info.isa));
  append_server(out);
  append_routes(out);
  append_search(out);
  append_database(info, out);
  return out;
}

}  // namespace roxanne::server
