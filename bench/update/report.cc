#include "bench/update/report.h"

#include <string_view>
#include <type_traits>

#include "eval/measure.h"

namespace roxanne::bench {
namespace {

// Writes one object; values in the order of the calls.
class JsonObject {
 public:
  template <typename T>
  JsonObject& add(std::string_view name, const T& value) {
    text_ += (text_.empty() ? "\"" : ",\"") + std::string(name) + "\":";
    if constexpr (std::is_same_v<T, bool>) {
      text_ += value ? "true" : "false";
    } else if constexpr (std::is_floating_point_v<T>) {
      char number[32];
      std::snprintf(number, sizeof number, "%.6g", value);
      text_ += number;
    } else if constexpr (std::is_integral_v<T>) {
      text_ += std::to_string(value);
    } else if constexpr (std::is_same_v<T, JsonObject>) {
      text_ += value.text();
    } else {
      text_ += '"';
      for (const char c : std::string_view(value)) {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c;
      }
      text_ += '"';
    }
    return *this;
  }
  std::string text() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

JsonObject json_of(const Quality& quality) {
  return JsonObject()
      .add("search_list_size", quality.search_list_size)
      .add("recall", quality.recall)
      .add("distance_computations_per_query", quality.distances)
      .add("hops_per_query", quality.hops)
      .add("reads_per_query", quality.reads)
      .add("cache_hits_per_query", quality.cache_hits);
}

JsonObject json_of(SearchTimes& search) {
  return JsonObject()
      .add("searches", search.latencies_us.size())
      .add("latency_us_p50", eval::percentile(search.latencies_us, 0.5))
      .add("latency_us_p99", eval::percentile(search.latencies_us, 0.99))
      .add("cpu_us_p50", eval::percentile(search.cpu_us, 0.5))
      .add("cpu_us_p99", eval::percentile(search.cpu_us, 0.99));
}

JsonObject json_of(PhaseReport& phase) {
  return JsonObject()
      .add("points", phase.points)
      .add("acknowledged_s", phase.acknowledged_s)
      .add("indexed_s", phase.indexed_s)
      .add("rest_s", phase.rest_s)
      .add("is_settled", phase.is_settled)
      .add("tail", phase.tail)
      .add("acknowledged_per_s", phase.acknowledged_rate())
      .add("indexed_per_s", phase.indexed_rate())
      .add("bytes_written_per_point", phase.per_point(phase.bytes_to_disk))
      .add("pages_read_per_point", phase.per_point(phase.pages_read))
      .add("pages_written_per_point", phase.per_point(phase.pages_written))
      .add("bytes_to_disk", phase.bytes_to_disk)
      .add("bytes_by_calls", phase.bytes_by_calls)
      .add("search", json_of(phase.search));
}

JsonObject json_of(const RoundReport& report, const std::vector<MemoryPart>& parts) {
  JsonObject memory;
  for (const MemoryPart& part : report.database.memory) memory.add(part.name, part.bytes);
  for (const MemoryPart& part : parts) memory.add(part.name, part.bytes);
  return memory;
}

JsonObject json_of(const std::map<std::string, uint64_t>& bytes_of_kinds) {
  JsonObject object;
  for (const auto& [kind, bytes] : bytes_of_kinds) object.add(kind, bytes);
  return object;
}

constexpr double kMib = 1 << 20;

}  // namespace

std::string to_json(RoundReport& report) {
  JsonObject object;
  object.add("scenario", report.scenario)
      .add("round", report.round)
      .add("points", report.collection.points)
      .add("slots", report.collection.slots)
      .add("regime", report.collection.regime)
      .add("index_points", report.collection.index.points)
      .add("index_error", report.collection.index_error)
      .add("isa", report.database.isa);
  if (report.erase.points > 0) object.add("erase", json_of(report.erase));
  if (report.insert.points > 0) object.add("insert", json_of(report.insert));
  object.add("idle_search", json_of(report.idle_search));
  if (report.unsettled) object.add("unsettled", json_of(*report.unsettled));
  object.add("fixed", json_of(report.fixed)).add("automatic", json_of(report.automatic));
  if (report.at_target) object.add("at_recall_95", json_of(*report.at_target));
  object.add("disk_bytes", json_of(report.disk_bytes))
      .add("disk_bytes_at_once", json_of(report.disk_bytes_at_once))
      .add("memory_bytes", json_of(report, report.collection.memory))
      .add("memory_limit_bytes", report.database.memory_limit_bytes)
      .add("resident_set_bytes_peak", report.resident_peak)
      .add("anonymous_bytes_peak", report.anonymous_peak)
      .add("resident_set_bytes_peak_with_exact", report.resident_peak_exact);
  return object.text();
}

void print_table_head(std::FILE* out) {
  std::fprintf(out,
               "%-8s %8s %8s %6s | %6s %7s | %6s %4s %7s %6s %6s | %8s | %7s %7s %6s %6s | "
               "%7s %7s %6s | %6s %6s %6s %6s | %6s %6s\n",
               "round", "points", "regime", "tail", "fixed", "dists", "auto", "list", "dists",
               "reads", "hits", "pages@95", "ins/s", "graph/s", "KiB/in", "rest s", "del/s",
               "KiB/del", "rest s", "idle50", "idle99", "busy50", "busy99", "disk", "RSS");
}

void print_table_row(std::FILE* out, RoundReport& report) {
  double disk = 0;
  for (const auto& [kind, bytes] : report.disk_bytes) disk += static_cast<double>(bytes);
  std::vector<double> busy = report.insert.search.latencies_us;
  const std::vector<double>& erasing = report.erase.search.latencies_us;
  busy.insert(busy.end(), erasing.begin(), erasing.end());
  const auto milliseconds = [](std::vector<double>& values, double share) {
    return eval::percentile(values, share) / 1000;
  };
  const CollectionInfo& info = report.collection;
  char target[16] = "-";
  if (report.at_target) std::snprintf(target, sizeof target, "%.1f", report.at_target->pages());
  std::fprintf(
      out,
      "%-8s %8llu %8s %6llu | %6.4f %7.0f | %6.4f %4zu %7.0f %6.1f %6.1f | %8s | "
      "%7.0f %7.0f %6.1f %6.1f | %7.0f %7.1f %6.1f | %6.2f %6.2f %6.2f %6.2f | %6.1f %6.1f\n",
      report.round.c_str(), static_cast<unsigned long long>(info.points), info.regime.c_str(),
      static_cast<unsigned long long>(info.points - std::min(info.points, info.index.points)),
      report.fixed.recall, report.fixed.distances, report.automatic.recall,
      report.automatic.search_list_size, report.automatic.distances, report.automatic.reads,
      report.automatic.cache_hits, target, report.insert.acknowledged_rate(),
      report.insert.indexed_rate(), report.insert.per_point(report.insert.bytes_to_disk) / 1024,
      report.insert.rest_s, report.erase.acknowledged_rate(),
      report.erase.per_point(report.erase.bytes_to_disk) / 1024, report.erase.rest_s,
      milliseconds(report.idle_search.latencies_us, 0.5),
      milliseconds(report.idle_search.latencies_us, 0.99), milliseconds(busy, 0.5),
      milliseconds(busy, 0.99), disk / kMib, static_cast<double>(report.resident_peak) / kMib);
  std::fflush(out);
}

}  // namespace roxanne::bench
