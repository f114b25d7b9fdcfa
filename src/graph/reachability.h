// Which nodes a search can reach, and edges for those that it cannot.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/adjacency.h"

namespace roxanne::graph {

// One flag a node: whether it can be reached from any of `entries`.
std::vector<bool> reachable_nodes(const Adjacency& adjacency, std::span<const uint32_t> entries);

// Adds edges until every node can be reached from the entries: each lost node is linked from the
// nearest place with room around its own neighbours. Where there is no room, an edge that nothing
// depends on makes way. Returns how many nodes were lost.
size_t make_reachable(Adjacency& adjacency, std::span<const uint32_t> entries);

}  // namespace roxanne::graph
