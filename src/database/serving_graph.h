// A collection's graph in memory, as versions of the collection share it.
#pragma once

#include <memory>

#include "database/schema.h"
#include "index/disk_index.h"
#include "index/live_set.h"
#include "index/memory_budget.h"
#include "index/resident_index.h"
#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

// One of the two forms serves: the regime of the collection.
struct ServingGraph {
  index::MemoryReservation memory;  // first: given back when the index is gone
  std::unique_ptr<index::ResidentIndex> resident;
  std::unique_ptr<index::DiskIndex> disk;
  index::LiveSet named;  // slots of its nodes

  const char* regime() const { return resident != nullptr ? "resident" : "disk"; }
  uint64_t node_count() const {
    return resident != nullptr ? resident->node_count() : disk->node_count();
  }
};

// What a form takes where this database serves it; of a disk form, search buffers of as many
// threads as search here.
uint64_t bytes_to_serve(const CollectionImpl& collection, const schema::GraphRecord& record,
                        const schema::GraphForm& form);

// The form of a record that the memory limit allows, and memory for it; the resident one where both
// are allowed. kUnsupported where none is.
struct GraphChoice {
  bool is_resident = false;
  index::MemoryReservation memory;
};
Result<GraphChoice> choose_graph(const CollectionImpl& collection,
                                 const schema::GraphRecord& record);

// `memory` is made to fit; kUnsupported where it cannot.
Result<std::shared_ptr<const ServingGraph>> make_serving_graph(
    std::unique_ptr<index::ResidentIndex> index, index::MemoryReservation memory);
// Takes more memory for a cache of pages, where some is left.
Result<std::shared_ptr<const ServingGraph>> make_serving_graph(
    DatabaseImpl& database, std::unique_ptr<index::DiskIndex> index,
    index::MemoryReservation memory);

// Reads the files that `record` names. kCorruption where they are not what the record says.
Result<std::shared_ptr<const ServingGraph>> load_graph(const CollectionImpl& collection,
                                                       const schema::GraphRecord& record,
                                                       GraphChoice choice);

}  // namespace roxanne::database
