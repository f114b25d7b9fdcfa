// Finds out how a graph is searched best, by searching for vectors of its own as if they were not
// in it.
#pragma once

#include "base/thread_pool.h"
#include "index/resident_graph.h"
#include "roxanne/types.h"

namespace roxanne::index {

// Sets graph.list_sizes, the search_list_size that stands for 0, and graph.uses_codes. `rows` are
// the graph's vectors, by node.
void calibrate(MatrixView rows, base::ThreadPool& pool, size_t thread_count, uint64_t seed,
               ResidentGraph& graph);

}  // namespace roxanne::index
