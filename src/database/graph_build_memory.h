// What a build of a graph takes of a database's memory, and which forms of the graph that is enough
// for.
#pragma once

#include <cstdint>
#include <functional>

#include "index/memory_budget.h"
#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::database {

class DatabaseImpl;

// The least that a build goes on with which makes the resident form, of rows that it gathers.
uint64_t resident_build_bytes_least(const CollectionOptions& options, uint64_t row_count);

struct GraphBuildNeeds {
  std::function<uint64_t()> row_count;  // of now: to make room may take a moment
  uint64_t serving_memory_bytes = 0;    // as in IndexOptions
  // The disk form is there already: nothing else will do.
  bool is_for_resident_only = false;
  // Takes so much from the budget; may make room for it.
  std::function<Result<index::MemoryReservation>(uint64_t bytes)> take;
};

struct GraphBuildMemory {
  // Whether it is enough for the resident form, beside the disk form; else for that alone.
  bool is_for_resident = true;
  index::MemoryReservation reservation;  // for rows and build, and then for the graph
  uint64_t build_bytes = 0;              // of it, for the build and what it makes
  uint64_t resident_bytes = 0;           // that the resident form may take when it serves
  uint64_t disk_bytes = 0;               // ... the disk form
};

// A resident form needs memory for its rows, its build and itself; where that is not there, the
// disk form is built alone, from rows that are read as they are needed. kUnsupported where there is
// not enough for that either; else what `take` returns.
Result<GraphBuildMemory> reserve_for_build(DatabaseImpl& database, const CollectionOptions& options,
                                           const GraphBuildNeeds& needs);

}  // namespace roxanne::database
