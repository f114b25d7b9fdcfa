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

  // Of its nodes; of a disk form that changes, those of now.
  index::LiveSet slots() const {
    return resident != nullptr ? index::set_of_slots(resident->slots()) : disk->slots();
  }
  bool can_change() const { return disk != nullptr && disk->can_change(); }
};

// What a form takes where this database serves it; of a disk form, search buffers of as many
// threads as search here.
uint64_t bytes_to_serve(const CollectionImpl& collection, const schema::GraphRecord& record,
                        const schema::GraphForm& form);

// Whether the files of a form are there, and as large as the record says where it can know.
Status check_files_of(const CollectionImpl& collection, const schema::GraphRecord& record,
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
// What a cache of its pages should take, of what it has and what the memory limit leaves; 0 where a
// cache is not wanted or would be too small to be worth it.
uint64_t cache_bytes_wanted(DatabaseImpl& database, const index::DiskIndex& index);

// Takes more memory for a cache of pages, where some is left.
Result<std::shared_ptr<const ServingGraph>> make_serving_graph(
    DatabaseImpl& database, std::unique_ptr<index::DiskIndex> index,
    index::MemoryReservation memory);

// Reads the files that `record` names. kCorruption where they are not what the record says. With
// `to_change` a disk form is opened so that it can be written, by one owner at a time.
struct GraphLoadOptions {
  bool to_change = false;
};
Result<std::shared_ptr<const ServingGraph>> load_graph(const CollectionImpl& collection,
                                                       const schema::GraphRecord& record,
                                                       GraphChoice choice,
                                                       const GraphLoadOptions& options);

}  // namespace roxanne::database
