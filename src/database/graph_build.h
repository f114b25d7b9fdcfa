// One build of a collection's graph, from its rows to the moment it serves.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>

#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

struct GraphBuildOptions {
  // Points that wait to be taken into a graph are left to whoever does that in the background.
  bool in_background = false;
  bool rebuild = false;
  // As in IndexOptions.
  uint64_t serving_memory_bytes = 0;
  Accelerator accelerator = Accelerator::kAuto;
  uint64_t device_memory_bytes = 0;
  IndexReport* report = nullptr;
  std::function<bool(std::string_view phase, double fraction)> progress;  // may be empty
  const std::atomic<bool>* cancelled = nullptr;
};

struct GraphBuildOutcome {
  Status status;
  bool lacked_memory = false;  // it was refused before it began
};

// Builds the graph, or makes the resident form of one that has none; does nothing where neither
// pays. One at a time in a database. Errors but kCancelled are kept as the collection's
// index_error().
GraphBuildOutcome build_graph(DatabaseImpl& database, CollectionImpl& collection,
                              const GraphBuildOptions& options);

}  // namespace roxanne::database
