#include "graph/robust_prune.h"

#include <algorithm>
#include <cstring>

namespace roxanne::graph {
namespace {

// Kept neighbours that are compared with a candidate in one call: the nearest ones stand in for
// most, so later calls are rarely needed.
constexpr size_t kComparedTogether = 8;

enum State : uint8_t { kKept, kRelaxed, kDropped };

}  // namespace

RobustPrune::RobustPrune(const Points& points, const PruneOptions& options)
    : points_(points), options_(options), kernels_(point_kernels(points.code_type())) {
  kept_codes_.resize(options.max_degree * points.dim());
  to_kept_.resize(options.max_degree);
}

// Gathers the point and its candidates and orders the candidates, nearest first.
void RobustPrune::order(uint32_t point, std::span<const uint32_t> candidates) {
  ids_.assign(candidates.begin(), candidates.end());
  ids_.push_back(point);
  points_.gather(ids_, block_);
  const size_t count = candidates.size();
  distances_.resize(count);
  kernels_.l2(block_.row(count), block_.row(0), count, block_.dim(), distances_.data());
  distance_computations_ += count;
  ordered_.resize(count);
  for (size_t i = 0; i < count; ++i) ordered_[i] = {distances_[i], static_cast<uint32_t>(i)};
  // Candidates come in ascending order of id, so ties of rows are ties of ids.
  std::sort(ordered_.begin(), ordered_.end());
  if (count > kPrunedCandidatesMax) ordered_.resize(kPrunedCandidatesMax);
}

RobustPrune::Occlusion RobustPrune::occlusion(size_t i) {
  const int64_t own = ordered_[i].distance;
  const uint8_t* code = block_.row(ordered_[i].row);
  Occlusion result{false, false};
  for (size_t first = 0; first < kept_count_; first += kComparedTogether) {
    const size_t count = std::min(kComparedTogether, kept_count_ - first);
    kernels_.l2(code, kept_codes_.data() + first * block_.dim(), count, block_.dim(),
                to_kept_.data());
    distance_computations_ += count;
    int64_t nearest = to_kept_[0];
    for (size_t s = 1; s < count; ++s) nearest = std::min<int64_t>(nearest, to_kept_[s]);
    result.plain = result.plain || nearest <= own;
    if (nearest * options_.alpha_1000 <= own * 1000) return {true, true};
  }
  return result;
}

void RobustPrune::keep(size_t i) {
  std::memcpy(kept_codes_.data() + kept_count_ * block_.dim(), block_.row(ordered_[i].row),
              block_.dim());
  kept_[kept_count_++] = ids_[ordered_[i].row];
  state_[i] = kKept;
}

std::span<const uint32_t> RobustPrune::prune(uint32_t point, std::span<const uint32_t> candidates) {
  order(point, candidates);
  const size_t count = ordered_.size();
  kept_.resize(options_.max_degree);
  kept_count_ = 0;
  state_.assign(count, kDropped);
  for (size_t i = 0; i < count && kept_count_ < options_.max_degree; ++i) {
    const Occlusion found = occlusion(i);
    if (!found.plain) {
      keep(i);
    } else if (!found.relaxed) {
      state_[i] = kRelaxed;
    }
  }
  for (size_t i = 0; i < count && kept_count_ < options_.max_degree; ++i) {
    if (state_[i] == kRelaxed && !occlusion(i).relaxed) keep(i);
  }
  for (size_t i = 0; options_.fill && i < count && kept_count_ < options_.max_degree; ++i) {
    if (state_[i] != kKept) keep(i);
  }
  return {kept_.data(), kept_count_};
}

}  // namespace roxanne::graph
