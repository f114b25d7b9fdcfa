// graph::build_graph with the distances computed by engines. The decisions are graph/carving.h's,
// the merging graph/candidate_edges.h's and the integers the processor's own, so the graph is the
// same to the bit, and so are the counts of partition and leaf distances.
#pragma once

#include <memory>
#include <span>

#include "accel/engine.h"
#include "base/thread_pool.h"
#include "graph/build.h"

namespace roxanne::accel {

using Engines = std::vector<std::unique_ptr<Engine>>;

// The least batch_rows of an engine for such a build.
size_t batch_rows_least(const graph::GraphOptions& options);

// As graph::build_graph, a lane an engine: as many threads work as there are engines. kIoError
// where a device failed; the adjacency is then half done.
Result<graph::GraphOutcome> build_on_engines(const graph::Points& points, base::ThreadPool& pool,
                                             const graph::GraphOptions& options,
                                             std::span<const uint32_t> entries, Engines& engines,
                                             graph::Adjacency& adjacency,
                                             graph::GraphCounts& counts);

}  // namespace roxanne::accel
