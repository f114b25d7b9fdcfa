#include "graph/reachability.h"

#include <algorithm>
#include <limits>

namespace roxanne::graph {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
constexpr uint32_t kEntry = kNone - 1;
// Nodes looked at for room before a harmless edge is replaced instead.
constexpr size_t kLookedAtMax = 4096;

// The tree along which nodes were first reached.
class ReachTree {
 public:
  ReachTree(Adjacency& adjacency, std::span<const uint32_t> entries)
      : adjacency_(adjacency), parents_(adjacency.node_count(), kNone) {
    for (const uint32_t entry : entries) {
      if (parents_[entry] == kNone) {
        parents_[entry] = kEntry;
        spread(entry);
      }
    }
  }

  bool has(uint32_t node) const { return parents_[node] != kNone; }

  // Links `node`, and with it all that it leads to.
  void adopt(uint32_t node, uint32_t start) {
    parents_[node] = make_edge(node, start);
    spread(node);
  }

  const std::vector<uint32_t>& parents() const { return parents_; }

 private:
  void spread(uint32_t from) {
    todo_.assign(1, from);
    while (!todo_.empty()) {
      const uint32_t node = todo_.back();
      todo_.pop_back();
      for (const uint32_t next : adjacency_.neighbours(node)) {
        if (parents_[next] != kNone) continue;
        parents_[next] = node;
        todo_.push_back(next);
      }
    }
  }

  // An edge to `node` from a reached node near `start`; returns its source.
  uint32_t make_edge(uint32_t node, uint32_t start) {
    queue_.assign(1, start);
    seen_.assign(1, start);
    for (size_t i = 0; i < queue_.size(); ++i) {
      const uint32_t at = queue_[i];
      if (adjacency_.degree(at) < adjacency_.max_degree()) {
        adjacency_.append(at, node);
        return at;
      }
      if (queue_.size() >= kLookedAtMax) continue;
      for (const uint32_t next : adjacency_.neighbours(at)) {
        if (!has(next) || seen(next)) continue;
        queue_.push_back(next);
      }
    }
    return replace_edge(node);
  }

  // The last edge, of the nodes just looked at, that is not part of the tree.
  uint32_t replace_edge(uint32_t node) {
    for (const uint32_t at : queue_) {
      for (size_t place = adjacency_.max_degree(); place-- > 0;) {
        if (parents_[adjacency_.neighbours(at)[place]] == at) continue;
        adjacency_.replace(at, place, node);
        return at;
      }
    }
    // Every edge of thousands of full nodes would have to be a tree edge: more edges than nodes.
    return kEntry;
  }

  bool seen(uint32_t node) {
    const auto at = std::lower_bound(seen_.begin(), seen_.end(), node);
    if (at != seen_.end() && *at == node) return true;
    seen_.insert(at, node);
    return false;
  }

  Adjacency& adjacency_;
  std::vector<uint32_t> parents_;
  std::vector<uint32_t> todo_;
  std::vector<uint32_t> queue_;
  std::vector<uint32_t> seen_;  // sorted
};

}  // namespace

std::vector<bool> reachable_nodes(const Adjacency& adjacency, std::span<const uint32_t> entries) {
  std::vector<bool> reached(adjacency.node_count());
  std::vector<uint32_t> todo;
  for (const uint32_t entry : entries) {
    if (!reached[entry]) todo.push_back(entry);
    reached[entry] = true;
  }
  while (!todo.empty()) {
    const uint32_t node = todo.back();
    todo.pop_back();
    for (const uint32_t next : adjacency.neighbours(node)) {
      if (!reached[next]) todo.push_back(next);
      reached[next] = true;
    }
  }
  return reached;
}

size_t make_reachable(Adjacency& adjacency, std::span<const uint32_t> entries) {
  ReachTree tree(adjacency, entries);
  size_t lost = 0;
  std::vector<uint32_t> waiting;  // lost nodes whose neighbours are lost too
  for (uint32_t node = 0; node < adjacency.node_count(); ++node) {
    if (tree.has(node)) continue;
    ++lost;
    const auto neighbours = adjacency.neighbours(node);
    const auto near = std::find_if(neighbours.begin(), neighbours.end(),
                                   [&](uint32_t other) { return tree.has(other); });
    if (near != neighbours.end()) {
      tree.adopt(node, *near);
    } else {
      waiting.push_back(node);
    }
  }
  for (const uint32_t node : waiting) {
    if (!tree.has(node)) tree.adopt(node, entries.front());
  }
  return lost;
}

}  // namespace roxanne::graph
