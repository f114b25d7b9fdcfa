// When a graph takes points in one by one, when it is built anew, and when its other form serves:
// the numbers, and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "database/tail_rows.h"

namespace roxanne::database {

struct Version;

// How far a graph is behind its collection.
struct GraphLag {
  uint64_t points = 0;  // of the collection
  uint64_t nodes = 0;
  uint64_t tail = 0;  // points that no node has
  uint64_t dead = 0;  // nodes that no point has
  uint64_t pending() const { return tail + dead; }
};
GraphLag lag_of(const Version& version);

// Of one collection.
struct GraphRules {
  uint64_t index_points_min = 0;
  size_t row_bytes = 0;
  TailLimits tail;  // kept in memory
};

// What of a tail is kept in memory, of so much memory in all.
TailLimits tail_limits(size_t row_bytes, uint64_t budget_bytes);

// Small upserts wait while a tail that is being worked on is longer than this.
uint64_t tail_rows_max(const GraphRules& rules);

// Wall time a point, as it was measured last.
struct UpdateCosts {
  double change_us = 0;  // to insert or remove one
  double build_us = 0;   // to build a graph, of each of its points
};
// Before anything was measured, with so many threads.
UpdateCosts usual_costs(size_t threads);

// Whether building the graph anew costs less than taking the changes in.
bool prefers_build(const GraphLag& lag, const UpdateCosts& costs);

// Of a graph that can be changed in place: whether so much came at once that it should be built
// anew.
bool is_bulk_build_due(const GraphLag& lag, const GraphRules& rules, const UpdateCosts& costs);
// Of a graph that cannot, and of a collection that has none (no nodes): whether so much changed
// since it was built that a new one pays.
bool is_renewal_due(const GraphLag& lag, const GraphRules& rules);

// Whether a resident form is so far behind that the disk form, which can be changed, should serve.
bool is_image_outdated(const GraphLag& lag, const GraphRules& rules);

}  // namespace roxanne::database
