#include "json/explanation_json.h"

#include <cmath>

#include "json/json_object.h"

namespace roxanne::json {

double whole_nanoseconds(double us) { return std::round(us * 1000) / 1000; }

std::string explanation_json(const SearchStats& cost, const std::string& regime) {
  Object object;
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

}  // namespace roxanne::json
