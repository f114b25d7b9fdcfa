// Recall@k: of the true k nearest, the share that a search returned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "eval/vector_io.h"
#include "roxanne/status.h"

namespace roxanne::eval {

// An answer whose point is no row of the ground truth's base: a string key, say.
inline constexpr uint64_t kNoId = std::numeric_limits<uint64_t>::max();

// One answer of a search, as ground truth names it: by row.
struct Answer {
  uint64_t id = kNoId;
  float distance = 0;
};

struct RecallReport {
  // Answers that count / (queries * k). An answer counts where its id is among the true k nearest
  // or it is as near as the k-th of them, up to float rounding: ties have no order.
  double recall = 0;
  // Whether answers and ground truth give the same row the same distance. False where the truth is
  // of another metric or unit (ann-benchmarks takes the root of l2): then only ids are compared.
  // Absent where nothing could be compared.
  std::optional<bool> distances_match;
};

// `answers`: one list a query, nearest first, of the truth's first answers.size() queries; entries
// after the k-th are ignored. kInvalidArgument where the truth has fewer queries or a smaller k.
Result<RecallReport> measure_recall(const GroundTruth& truth,
                                    std::span<const std::vector<Answer>> answers, size_t k);

}  // namespace roxanne::eval
