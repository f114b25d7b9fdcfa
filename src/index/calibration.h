// Finds the search_list_size that stands for 0: by searching for vectors of the graph itself as if
// they were not in it.
#pragma once

#include "base/thread_pool.h"
#include "index/resident_graph.h"
#include "roxanne/types.h"

namespace roxanne::index {

// `rows` are the graph's vectors, by node.
ListSizes calibrate(const ResidentGraph& graph, MatrixView rows, base::ThreadPool& pool,
                    size_t thread_count, uint64_t seed);

}  // namespace roxanne::index
