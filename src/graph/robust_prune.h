// RobustPrune (Vamana, Subramanya et al., NeurIPS 2019): keeps of a point's candidates those that
// no nearer kept one stands in for. The one place of the alpha rule.
//
// Distances are squared L2 on integers, so the rule is exact: a kept neighbour s stands in for c
// where alpha * |s - c|^2 <= |p - c|^2. Metrics other than L2 come here as L2 (graph/points.h):
// under inner product the rule would otherwise need the opposite inequality.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/nearest_rows.h"
#include "graph/points.h"

namespace roxanne::graph {

struct PruneOptions {
  size_t max_degree = 32;
  // 1000 * alpha. Neighbours chosen with alpha = 1 come first in the list, then those that alpha
  // lets in, so that a prefix of the list is a sparser graph's list.
  uint32_t alpha_1000 = 1200;
  // Fills what room is left with the nearest of those that were dropped.
  bool fill = false;
};

// A hub of many equal points can have any number of candidates; beyond these nearest ones it is
// only work.
inline constexpr size_t kPrunedCandidatesMax = 256;

// Scratch of one thread.
class RobustPrune {
 public:
  RobustPrune(const Points& points, const PruneOptions& options);

  // The neighbours of `point` among `candidates` (distinct, without `point`), best first. The
  // result lives until the next call.
  std::span<const uint32_t> prune(uint32_t point, std::span<const uint32_t> candidates);

  uint64_t distance_computations() const { return distance_computations_; }

 private:
  void order(uint32_t point, std::span<const uint32_t> candidates);
  // Whether a kept neighbour stands in for candidate `i` under alpha = 1 and under alpha.
  struct Occlusion {
    bool plain;
    bool relaxed;
  };
  Occlusion occlusion(size_t i);
  void keep(size_t i);

  const Points& points_;
  const PruneOptions options_;
  const PointKernels kernels_;
  PointBlock block_;
  std::vector<uint32_t> ids_;
  std::vector<int32_t> distances_;
  std::vector<NearRow> ordered_;
  std::vector<uint8_t> kept_codes_;  // of the neighbours kept so far, dense
  std::vector<int32_t> to_kept_;
  std::vector<uint8_t> state_;
  std::vector<uint32_t> kept_;
  size_t kept_count_ = 0;
  uint64_t distance_computations_ = 0;
};

}  // namespace roxanne::graph
