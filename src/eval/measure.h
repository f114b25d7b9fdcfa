// How fast a search is: throughput, latency and what each query cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "eval/recall.h"
#include "roxanne/options.h"
#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::eval {

// Answers every row of `queries` and adds its cost to `stats`. Called by many threads at once.
using SearchFunction = std::function<Result<std::vector<std::vector<Neighbor>>>(
    MatrixView queries, SearchStats& stats)>;

struct MeasureOptions {
  size_t thread_count = 1;  // that search at the same time
  size_t batch_rows = 1;    // queries handed over in one call
  // Told now and then how many queries are done; called by the calling thread. May be empty.
  std::function<void(uint64_t)> progress = {};
  // Asked between calls, by many threads; true stops with kCancelled. May be empty.
  std::function<bool()> cancelled = {};
};

struct Measurement {
  uint64_t queries = 0;
  double seconds = 0;  // from the first call to the last return
  double qps = 0;
  // Of calls: with batch_rows above 1, of whole batches.
  double latency_us_p50 = 0;
  double latency_us_p99 = 0;
  SearchStats stats;                         // sums over all queries
  std::vector<std::vector<Answer>> answers;  // one list a query
};

// Searches every query once, after one call that warms up and is not counted.
Result<Measurement> measure_search(const SearchFunction& search, MatrixView queries,
                                   const MeasureOptions& options);

// The smallest of `values` that at least `share` of them do not exceed (nearest rank); 0 where
// there are none. Reorders them.
double percentile(std::vector<double>& values, double share);

}  // namespace roxanne::eval
