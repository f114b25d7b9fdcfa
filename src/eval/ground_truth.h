// Exact neighbours of queries in a file of vectors, read once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "eval/vector_io.h"
#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::eval {

// Candidates kept for all queries; more are refused. About 6 GiB.
inline constexpr uint64_t kGroundTruthEntriesMax = 1ull << 28;

struct GroundTruthOptions {
  Metric metric = Metric::kL2;
  size_t k = 100;
  size_t thread_count = 0;  // 0 = one a processor
  // Told now and then how many base rows are done; called by the calling thread. May be empty.
  std::function<void(uint64_t)> progress = {};
  // Asked often, by many threads; true stops with kCancelled. May be empty.
  std::function<bool()> cancelled = {};
};

// The ids are row numbers of `base`. Reads `base` to its end in blocks; memory is a few blocks and,
// for each thread, the candidates of every query.
// kInvalidArgument: another scalar type or dimension, values that have no distance (NaN, infinity,
// zero vectors under cosine), fewer than k rows, more than kGroundTruthEntriesMax candidates.
Result<GroundTruth> compute_ground_truth(VectorReader& base, const VectorBatch& queries,
                                         const GroundTruthOptions& options);

}  // namespace roxanne::eval
