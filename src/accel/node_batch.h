// Prunes nodes on an engine, many at a time. Nodes that do not fit a warp are pruned here.
#pragma once

#include <vector>

#include "accel/batch_filler.h"
#include "accel/engine.h"
#include "graph/adjacency.h"
#include "graph/points.h"
#include "graph/robust_prune.h"

namespace roxanne::accel {

// Of one lane.
class NodeBatch {
 public:
  NodeBatch(const graph::Points& points, const graph::PruneOptions& options, Engine& engine,
            graph::Adjacency& adjacency);

  // `candidates`: ascending, without `point`; they live until send().
  Status add(uint32_t point, std::span<const uint32_t> candidates);
  // Sets the neighbours of all nodes that were added.
  Status send();

  uint64_t edges() const { return edges_; }

 private:
  void set(uint32_t point, std::span<const uint32_t> kept);

  struct Pending {
    uint32_t point;
    std::span<const uint32_t> candidates;
  };
  const graph::Points& points_;
  const PruneRule rule_;
  Engine& engine_;
  graph::Adjacency& adjacency_;
  BatchFiller batch_;
  graph::RobustPrune pruner_;
  graph::PointBlock block_;
  std::vector<uint32_t> ids_;
  std::vector<Pending> pending_;
  std::vector<PruneNode> nodes_;
  uint64_t edges_ = 0;
};

}  // namespace roxanne::accel
