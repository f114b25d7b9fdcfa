#include "accel/cell_carver.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/status_macros.h"

namespace roxanne::accel {
namespace {

// A group begins in a batch where at least so many of its members, or all, find room beside its
// leaders: a few would pay for the leaders twice.
constexpr size_t kPieceRowsLeast = 4096;

}  // namespace

CellCarver::CellCarver(const graph::Points& points, const graph::GraphOptions& options,
                       Engine& engine, graph::CandidateEdges& edges)
    : points_(points), options_(options), engine_(engine), batch_(points, engine), writer_(edges) {}

size_t CellCarver::source_count() const {
  return options_.source_count == 0 ? points_.count() : options_.source_count;
}

Status CellCarver::carve(std::span<const uint32_t> ids, uint64_t seed) {
  ids_ = ids;
  // Codes that depend on whom a point is gathered with are made anew for each group, on the host.
  is_loaded_ = points_.is_native() && ids.size() <= engine_.shape().cell_rows;
  if (is_loaded_) ROX_RETURN_IF_ERROR(load());
  std::vector<Group> groups(1);
  groups[0].members.resize(ids.size());
  std::iota(groups[0].members.begin(), groups[0].members.end(), 0u);
  groups[0].seed = seed;
  for (size_t level = 1; !groups.empty(); ++level) {
    std::vector<Group> leaves, carved;
    for (Group& group : groups) {
      const size_t count = group.members.size();
      if (count == 0) continue;
      if (is_left_out(count, ids_[group.members.front()], options_.partition)) continue;
      if (is_leaf(count, options_.partition)) {
        leaves.push_back(std::move(group));
        continue;
      }
      group.leaders = choose_leaders(count, level, group.seed, options_.partition);
      carved.push_back(std::move(group));
    }
    ROX_RETURN_IF_ERROR(link(leaves));
    ROX_RETURN_IF_ERROR(assign(carved));
    groups.clear();
    for (Group& group : carved) {
      size_t number = 0;
      for (auto& members : make_groups(group.members, group.joined, group.leaders, group.seed,
                                       options_.partition)) {
        groups.push_back({std::move(members), graph::group_seed(group.seed, number++), {}, {}});
      }
      group = {};
    }
  }
  return Status::ok();
}

// Sends the cell's rows while the next of them are gathered.
Status CellCarver::load() {
  const size_t part_rows = engine_.shape().batch_rows;
  for (size_t first = 0; first < ids_.size(); first += part_rows) {
    const auto part = ids_.subspan(first, std::min(part_rows, ids_.size() - first));
    batch_.begin(false, {});
    batch_.add_points(part, {});
    ROX_RETURN_IF_ERROR(engine_.load_cell(first, part.size()));
  }
  return Status::ok();
}

Status CellCarver::link(std::vector<Group>& leaves) {
  batch_.begin(is_loaded_, ids_);
  for (const Group& leaf : leaves) {
    const auto count = static_cast<uint32_t>(leaf.members.size());
    if (batch_.room() < count) ROX_RETURN_IF_ERROR(send_leaves());
    const uint32_t first = add(leaf.members, frame_of(leaf));
    batch_.add_queries({first, count, first, count});
    leaf_distances_ += uint64_t{count} * count;
  }
  return send_leaves();
}

Status CellCarver::send_leaves() {
  if (batch_.is_empty()) return Status::ok();
  edges_.clear();
  const size_t k = std::min(options_.leaf_neighbours, kNearestMax);
  ROX_RETURN_IF_ERROR(
      engine_.link(batch_.batch(k, true), static_cast<uint32_t>(source_count()), edges_));
  for (const uint64_t edge : edges_) {
    writer_.add(static_cast<uint32_t>(edge >> 32), static_cast<uint32_t>(edge));
  }
  batch_.begin(is_loaded_, ids_);
  return Status::ok();
}

Status CellCarver::assign(std::vector<Group>& groups) {
  batch_.begin(is_loaded_, ids_);
  for (Group& group : groups) {
    if (group.leaders.places.empty()) continue;
    // A batch has one number of answers a query.
    if (!pieces_.empty() && pieces_.back().group->leaders.fanout != group.leaders.fanout) {
      ROX_RETURN_IF_ERROR(send_pieces());
    }
    ROX_RETURN_IF_ERROR(assign_group(group));
  }
  return send_pieces();
}

Status CellCarver::assign_group(Group& group) {
  const size_t count = group.members.size();
  const auto leader_count = static_cast<uint32_t>(group.leaders.places.size());
  const graph::Points::Frame frame = frame_of(group);
  std::vector<uint32_t> leaders;
  for (const uint32_t place : group.leaders.places) leaders.push_back(group.members[place]);
  group.joined.resize(count * group.leaders.fanout);
  partition_distances_ += uint64_t{count} * leader_count;
  for (size_t at = 0; at < count;) {
    const size_t least = leader_count + std::min(kPieceRowsLeast, count - at);
    if (batch_.room() < least && !batch_.is_empty()) ROX_RETURN_IF_ERROR(send_pieces());
    ROX_CHECK(batch_.room() > leader_count);
    const uint32_t leader_first = add(leaders, frame);
    const size_t taken = std::min(batch_.room(), count - at);
    const uint32_t query_first = add(std::span(group.members).subspan(at, taken), frame);
    const auto query_count = static_cast<uint32_t>(taken);
    batch_.add_queries({query_first, query_count, leader_first, leader_count});
    pieces_.push_back({&group, at, query_first, query_count, leader_first});
    at += taken;
  }
  return Status::ok();
}

Status CellCarver::send_pieces() {
  if (pieces_.empty()) return Status::ok();
  const size_t fanout = pieces_.front().group->leaders.fanout;
  std::span<const uint32_t> found;
  ROX_RETURN_IF_ERROR(engine_.nearest(batch_.batch(fanout, false), found));
  for (const Piece& piece : pieces_) {
    const auto answers = found.subspan(piece.query_first * fanout, piece.query_count * fanout);
    uint32_t* joined = piece.group->joined.data() + piece.member_first * fanout;
    for (const uint32_t row : answers) *joined++ = row - piece.leader_first;
  }
  pieces_.clear();
  batch_.begin(is_loaded_, ids_);
  return Status::ok();
}

uint32_t CellCarver::add(std::span<const uint32_t> places, const graph::Points::Frame& frame) {
  if (is_loaded_) return batch_.add_members(places);
  group_ids_.clear();
  for (const uint32_t place : places) group_ids_.push_back(ids_[place]);
  return batch_.add_points(group_ids_, frame);
}

graph::Points::Frame CellCarver::frame_of(const Group& group) {
  if (points_.is_native()) return {};
  group_ids_.clear();
  for (const uint32_t place : group.members) group_ids_.push_back(ids_[place]);
  return points_.frame(group_ids_);
}

}  // namespace roxanne::accel
