#include "cli/search_cost.h"

#include <cmath>

#include "cli/failure.h"
#include "cli/output.h"
#include "cli/units.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

// Time outside the phases is told from this share of the whole on: little of it is overhead of the
// call, most of it a graph that was loaded.
constexpr double kOtherShareMin = 0.5;

std::string time_text(double us) { return format_fixed(us, 1) + " us"; }

std::string counted(uint64_t count, const char* one, const char* many) {
  return format_count(count) + " " + (count == 1 ? one : many);
}

}  // namespace

double whole_nanoseconds(double us) { return std::round(us * 1000) / 1000; }

std::string searched_regime(const Collection& collection, const SearchStats& cost) {
  return cost.search_list_size_used == 0 ? "exact" : take(collection.info()).regime;
}

std::string explanation_json(const SearchStats& cost, const std::string& regime) {
  json::Object object;
  object.add("regime", regime).add("search_list_size_used", cost.search_list_size_used);
  object.add("reads", cost.reads).add("bytes_read", cost.bytes_read);
  object.add("cache_hits", cost.cache_hits).add("read_rounds", cost.read_rounds);
  object.add("distance_computations", cost.distance_computations).add("hops", cost.hops);
  object.add("latency_us", whole_nanoseconds(cost.latency_us));
  object.add("seed_us", whole_nanoseconds(cost.seed_us));
  object.add("walk_us", whole_nanoseconds(cost.walk_us));
  object.add("read_wait_us", whole_nanoseconds(cost.read_wait_us));
  object.add("result_us", whole_nanoseconds(cost.result_us));
  return object.text();
}

std::vector<std::string> explanation_lines(const SearchStats& cost, const std::string& regime) {
  using Align = Table::Align;
  Table table({Align::kLeft, Align::kRight, Align::kLeft});
  const std::string list = cost.search_list_size_used == 0
                               ? ""
                               : ", list size " + std::to_string(cost.search_list_size_used);
  table.add_row({"search", time_text(cost.latency_us), regime + list});
  table.add_row({"  seed", time_text(cost.seed_us)});
  table.add_row({"  walk", time_text(cost.walk_us),
                 counted(cost.hops, "hop", "hops") + ", " +
                     counted(cost.distance_computations, "distance", "distances")});
  table.add_row({"  read wait", time_text(cost.read_wait_us),
                 counted(cost.reads, "read", "reads") + " of " + format_bytes(cost.bytes_read) +
                     " in " + counted(cost.read_rounds, "round", "rounds") + ", " +
                     counted(cost.cache_hits, "cache hit", "cache hits")});
  table.add_row({"  result", time_text(cost.result_us)});
  const double other_us =
      cost.latency_us - cost.seed_us - cost.walk_us - cost.read_wait_us - cost.result_us;
  if (other_us > kOtherShareMin * cost.latency_us) {
    table.add_row({"  other", time_text(other_us), "the first search loads the graph"});
  }
  return table.lines("  ");
}

}  // namespace roxanne::cli
