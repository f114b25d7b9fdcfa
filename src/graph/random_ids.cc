#include "graph/random_ids.h"

#include <numeric>
#include <unordered_map>

namespace roxanne::graph {

// Fisher-Yates; where few are wanted, only the places that were touched are kept.
std::vector<uint32_t> random_ids(uint32_t count, size_t wanted, uint64_t seed) {
  RandomBits random(seed);
  std::vector<uint32_t> chosen(wanted);
  if (wanted > count / 8) {
    std::vector<uint32_t> all(count);
    std::iota(all.begin(), all.end(), 0u);
    for (uint32_t i = 0; i < wanted; ++i) {
      std::swap(all[i], all[i + random.below(count - i)]);
      chosen[i] = all[i];
    }
    return chosen;
  }
  std::unordered_map<uint32_t, uint32_t> moved;
  const auto at = [&](uint32_t place) {
    const auto found = moved.find(place);
    return found == moved.end() ? place : found->second;
  };
  for (uint32_t i = 0; i < wanted; ++i) {
    const uint32_t other = i + random.below(count - i);
    chosen[i] = at(other);
    moved[other] = at(i);
  }
  return chosen;
}

}  // namespace roxanne::graph
