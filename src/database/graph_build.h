// One build of a collection's graph, from its rows to the moment it serves.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>

#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

struct GraphBuildOptions {
  bool rebuild = false;
  uint64_t serving_memory_bytes = 0;                                      // as in IndexOptions
  std::function<bool(std::string_view phase, double fraction)> progress;  // may be empty
  const std::atomic<bool>* cancelled = nullptr;
};

// Does nothing where no build is due. One at a time in a database. Errors but kCancelled are kept
// as the collection's index_error().
Status build_graph(DatabaseImpl& database, CollectionImpl& collection,
                   const GraphBuildOptions& options);

}  // namespace roxanne::database
