// Carves a cell on an engine: as graph::Partition does, with the same leaders, groups and seeds,
// but a level at a time, so that the groups of a level share batches. Its leaves become edges at
// once.
#pragma once

#include <span>
#include <vector>

#include "accel/batch_filler.h"
#include "accel/engine.h"
#include "graph/build.h"
#include "graph/candidate_edges.h"
#include "graph/carving.h"
#include "graph/points.h"

namespace roxanne::accel {

// Of one lane.
class CellCarver {
 public:
  // `options.partition.source_count` is options.source_count.
  CellCarver(const graph::Points& points, const graph::GraphOptions& options, Engine& engine,
             graph::CandidateEdges& edges);

  // Adds the edges of all leaves of a cell of points `ids`, ascending.
  Status carve(std::span<const uint32_t> ids, uint64_t seed);
  void flush() { writer_.flush(); }

  uint64_t partition_distances() const { return partition_distances_; }
  uint64_t leaf_distances() const { return leaf_distances_; }

 private:
  struct Group {
    std::vector<uint32_t> members;  // places in the cell, ascending
    uint64_t seed = 0;
    graph::Leaders leaders;
    std::vector<uint32_t> joined;  // as graph::make_groups wants it
  };
  // Members of a group that are queries of the batch at hand.
  struct Piece {
    Group* group;
    size_t member_first;
    uint32_t query_first;
    uint32_t query_count;
    uint32_t leader_first;
  };

  Status load();
  Status link(std::vector<Group>& leaves);
  Status send_leaves();
  Status assign(std::vector<Group>& groups);
  Status assign_group(Group& group);
  Status send_pieces();
  uint32_t add(std::span<const uint32_t> places, const graph::Points::Frame& frame);
  graph::Points::Frame frame_of(const Group& group);
  size_t source_count() const;

  const graph::Points& points_;
  const graph::GraphOptions& options_;
  Engine& engine_;
  BatchFiller batch_;
  graph::CandidateEdges::Writer writer_;
  std::span<const uint32_t> ids_;  // of the cell at hand
  bool is_loaded_ = false;         // whether the engine holds the cell's rows
  std::vector<Piece> pieces_;
  std::vector<uint64_t> edges_;
  std::vector<uint32_t> group_ids_;
  uint64_t partition_distances_ = 0;
  uint64_t leaf_distances_ = 0;
};

}  // namespace roxanne::accel
