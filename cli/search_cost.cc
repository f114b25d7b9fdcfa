#include "cli/search_cost.h"

#include "cli/failure.h"
#include "cli/output.h"
#include "cli/units.h"

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

std::string searched_regime(const Collection& collection, const SearchStats& cost) {
  return cost.search_list_size_used == 0 ? "exact" : take(collection.info()).regime;
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
