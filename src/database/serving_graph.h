// A collection's graph in memory, as versions of the collection share it.
#pragma once

#include <memory>

#include "database/schema.h"
#include "index/live_set.h"
#include "index/memory_budget.h"
#include "index/resident_index.h"
#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

struct ServingGraph {
  index::MemoryReservation memory;  // first: given back when the index is gone
  std::unique_ptr<index::ResidentIndex> index;
  index::LiveSet named;  // slots of its nodes
};

// Takes memory for the graph of a record. kUnsupported where the memory limit does not allow it.
Result<index::MemoryReservation> reserve_for_graph(const CollectionImpl& collection,
                                                   const schema::GraphRecord& record);

// `memory` is made to fit; kUnsupported where it cannot.
Result<std::shared_ptr<const ServingGraph>> make_serving_graph(
    std::unique_ptr<index::ResidentIndex> index, index::MemoryReservation memory);

// Reads the file that `record` names. kCorruption where it is not what the record says.
Result<std::shared_ptr<const ServingGraph>> load_graph(const CollectionImpl& collection,
                                                       const schema::GraphRecord& record,
                                                       index::MemoryReservation memory);

}  // namespace roxanne::database
