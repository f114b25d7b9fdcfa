// What searches find and what they cost, against the exact answers of the same moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "roxanne/roxanne.h"

namespace roxanne::bench {

constexpr size_t kNeighbours = 10;

using Answers = std::vector<std::vector<Neighbor>>;

// Per query, but for the list size.
struct Quality {
  size_t search_list_size = 0;  // the longest list that was needed
  double recall = 0;            // at 10
  double distances = 0;
  double hops = 0;
  double reads = 0;
  double cache_hits = 0;
  double pages() const { return reads + cache_hits; }  // what a cold cache reads
};

struct Searched {
  Answers answers;
  SearchStats stats;
};

// All queries in one call; a list size of 0 is the engine's choice.
Searched search_all(const Collection& collection, const MatrixView& queries, size_t list_size);
Answers exact_answers(const Collection& collection, const MatrixView& queries);
Quality judge(const Searched& searched, const Answers& truth);

// The cost at recall 0.95: between two list sizes, linear in the logarithm of what is missed.
// Absent where no list size of the sweep misses as much, or none as little.
std::optional<Quality> quality_at_target(const Collection& collection, const MatrixView& queries,
                                         const Answers& truth);

}  // namespace roxanne::bench
