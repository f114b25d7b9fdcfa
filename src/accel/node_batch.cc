#include "accel/node_batch.h"

#include "base/status_macros.h"

namespace roxanne::accel {

static_assert(kPruneCandidatesMax == graph::kPrunedCandidatesMax,
              "a node that a warp takes is one whose candidates all count");

NodeBatch::NodeBatch(const graph::Points& points, const graph::PruneOptions& options,
                     Engine& engine, graph::Adjacency& adjacency)
    : points_(points),
      rule_{static_cast<uint32_t>(options.max_degree), options.alpha_1000, options.fill},
      engine_(engine),
      adjacency_(adjacency),
      batch_(points, engine),
      pruner_(points, options) {}

Status NodeBatch::add(uint32_t point, std::span<const uint32_t> candidates) {
  const size_t rows = candidates.size() + 1;
  if (candidates.size() > kPruneCandidatesMax || rule_.max_degree > kPruneDegreeMax ||
      rows > engine_.shape().batch_rows) {
    set(point, pruner_.prune(point, candidates));
    return Status::ok();
  }
  if (!pending_.empty() && (batch_.room() < rows || nodes_.size() == kPruneNodesMax)) {
    ROX_RETURN_IF_ERROR(send());
  }
  if (pending_.empty()) batch_.begin(false, {});
  ids_.assign(candidates.begin(), candidates.end());
  ids_.push_back(point);
  points_.gather(ids_, block_);  // in a frame of their own, as the processor does
  nodes_.push_back({batch_.add_block(block_), static_cast<uint32_t>(candidates.size())});
  pending_.push_back({point, candidates});
  return Status::ok();
}

Status NodeBatch::send() {
  if (pending_.empty()) return Status::ok();
  std::span<const uint32_t> kept;
  ROX_RETURN_IF_ERROR(engine_.prune(batch_.row_count(), nodes_, rule_, kept));
  for (size_t i = 0; i < pending_.size(); ++i) {
    ids_.clear();
    for (const uint32_t number : kept.subspan(i * rule_.max_degree, rule_.max_degree)) {
      if (number == kNoRow) break;
      ids_.push_back(pending_[i].candidates[number]);
    }
    set(pending_[i].point, ids_);
  }
  pending_.clear();
  nodes_.clear();
  return Status::ok();
}

void NodeBatch::set(uint32_t point, std::span<const uint32_t> kept) {
  adjacency_.set(point, kept);
  edges_ += kept.size();
}

}  // namespace roxanne::accel
