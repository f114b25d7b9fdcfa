// Which of a graph's two forms is kept up: the one on disk, which alone can be changed in place.
#include <utility>

#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/committer.h"
#include "database/database_impl.h"
#include "database/graph_upkeep.h"
#include "database/serving_graph.h"

namespace roxanne::database {

Status GraphUpkeep::leave_resident_form() {
  std::shared_ptr<const Version> version = collection_.version();
  const auto record = collection_.graph_record();
  if (!can_work() || version == nullptr || !record.has_value()) {
    return Status::unsupported("the graph cannot be changed in place");
  }
  if (version->graph->resident == nullptr) {
    if (!record->resident.exists()) return Status::ok();
    return database_.committer().run_alone([this] { return forget_resident_record(); });
  }
  const uint64_t bytes = bytes_to_serve(collection_, *record, record->disk);
  auto memory = database_.reserve_memory(bytes);
  const bool makes_room =
      !memory.has_value() && bytes <= database_.budget().left() + version->graph->memory.bytes();
  if (makes_room) {
    ROX_RETURN_IF_ERROR(unload(std::move(version)));
    memory = database_.reserve_memory(bytes);
  }
  const auto load = [&]() -> Status {
    if (!memory.has_value()) {
      return Status::unsupported("the graph on disk takes " + std::to_string(bytes) +
                                 " bytes of memory; the memory limit leaves " +
                                 std::to_string(database_.budget().left()));
    }
    ROX_ASSIGN_OR_RETURN(auto graph, collection_.load_disk_form(*record, *std::move(memory)));
    return database_.committer().run_alone([&]() -> Status {
      ROX_RETURN_IF_ERROR(collection_.usable());
      if (record->resident.exists()) ROX_RETURN_IF_ERROR(forget_resident_record());
      collection_.serve_graph({.graph = std::move(graph), .record = *collection_.graph_record()},
                              database_.committer().next_commit_number(true));
      return Status::ok();
    });
  };
  const Status loaded = load();
  if (!loaded.is_ok() && makes_room) collection_.let_graph_wait();
  return loaded;
}

// Searches are exact until another form serves.
Status GraphUpkeep::unload(std::shared_ptr<const Version> version) {
  std::weak_ptr<const ServingGraph> old;
  version.reset();
  const Status stopped = database_.committer().run_alone([&]() -> Status {
    ROX_RETURN_IF_ERROR(collection_.usable());
    old = collection_.stop_serving(database_.committer().commits());
    return Status::ok();
  });
  ROX_RETURN_IF_ERROR(stopped);
  wait_for_searches_of(old, database_.file_system(), {});
  return Status::ok();
}

// While no commit is under way. From now on the disk form may differ from it. Keeps D8.
Status GraphUpkeep::forget_resident_record() {
  ROX_RETURN_IF_ERROR(database_.committer().failure());
  ROX_RETURN_IF_ERROR(database_.upgrade_format());
  schema::GraphRecord record = *collection_.graph_record();
  record.resident = {};
  ROX_RETURN_IF_ERROR(collection_.write_graph_record(record, true));
  collection_.set_graph_record(record);
  // Readers elsewhere may be about to read it; a later open removes it then.
  if (database_.no_readers_elsewhere()) {
    const auto paths = database_.files().graph_paths(collection_.id(), record.file_number);
    (void)database_.file_system().remove(paths.resident);
  }
  return Status::ok();
}

}  // namespace roxanne::database
