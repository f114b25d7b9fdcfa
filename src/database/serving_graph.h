// A collection's graph in memory, as versions of the collection share it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "database/schema.h"
#include "index/disk_index.h"
#include "index/live_set.h"
#include "index/memory_budget.h"
#include "index/resident_index.h"
#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

// One of the two forms serves: the regime of the collection.
struct ServingGraph {
  // First: given back when the index is gone. The cache of pages has its own. Whoever changes the
  // graph makes it smaller where the graph got smaller.
  mutable index::MemoryReservation memory;
  mutable std::mutex cache_mutex;  // guards the next, and the cache's size
  mutable index::MemoryReservation cache_memory;
  std::unique_ptr<index::ResidentIndex> resident;
  std::unique_ptr<index::DiskIndex> disk;

  // Of its nodes; of a disk form that changes, those of now.
  index::LiveSet slots() const {
    return resident != nullptr ? index::set_of_slots(resident->slots()) : disk->slots();
  }
  bool can_change() const { return disk != nullptr && disk->can_change(); }
  uint64_t cache_bytes() const { return disk != nullptr ? disk->cache_bytes() : 0; }
  // Gives so many bytes of the cache of pages back, or a little more, or all.
  void shrink_cache(uint64_t bytes) const;
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
// Lets the cache of its pages grow to what it should take, of what it has and what the memory limit
// leaves, where that is a step worth taking. Nothing for a resident form.
void fit_cache(DatabaseImpl& database, const ServingGraph& graph);

// With a cache of pages, where memory is left for it.
Result<std::shared_ptr<const ServingGraph>> make_serving_graph(
    DatabaseImpl& database, std::unique_ptr<index::DiskIndex> index,
    index::MemoryReservation memory);

// Waits for searches that hold on to a graph which has to make room, ten seconds at the most;
// false where `goes_on` is not empty and said so.
bool wait_for_searches_of(const std::weak_ptr<const ServingGraph>& graph,
                          storage::FileSystem& files, const std::function<bool()>& goes_on);

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
