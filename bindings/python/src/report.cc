// What info() tells, under the names that `roxanne info --json` has.
#include "arrays.h"
#include "bindings.h"

namespace roxanne::python {
namespace {

nb::list report(const std::vector<MemoryPart>& parts) {
  nb::list list;
  for (const MemoryPart& part : parts) {
    nb::dict item;
    item["name"] = from_text(part.name);
    item["bytes"] = part.bytes;
    list.append(item);
  }
  return list;
}

nb::dict report(const IndexInfo& index) {
  nb::dict updates;
  updates["added"] = index.updates.added;
  updates["removed"] = index.updates.removed;
  updates["reads"] = index.updates.reads;
  updates["pages_written"] = index.updates.pages_written;
  updates["bytes_written"] = index.updates.bytes_written;
  updates["checkpoints"] = index.updates.checkpoints;
  nb::dict dict;
  dict["points"] = index.points;
  dict["search_list_size"] = index.search_list_size;
  dict["max_degree"] = index.max_degree;
  dict["bytes_in_memory"] = index.bytes_in_memory;
  dict["bytes_on_disk"] = index.bytes_on_disk;
  dict["unindexed_points"] = index.unindexed_points;
  dict["dead_nodes"] = index.dead_nodes;
  dict["changes_since_checkpoint"] = index.changes_since_checkpoint;
  dict["updates"] = updates;
  return dict;
}

}  // namespace

nb::dict report(const CollectionInfo& info) {
  nb::dict dict;
  dict["name"] = from_text(info.name);
  dict["points"] = info.points;
  dict["dim"] = info.options.dim;
  dict["type"] = from_text(scalar_type_name(info.options.type));
  dict["metric"] = from_text(metric_name(info.options.metric));
  dict["key_type"] = from_text(key_type_name(info.options.key_type));
  dict["regime"] = from_text(info.regime);
  dict["bytes_on_disk"] = info.bytes_on_disk;
  dict["bytes_in_memory"] = info.bytes_in_memory;
  dict["memory"] = report(info.memory);
  dict["slots"] = info.slots;
  dict["index"] = report(info.index);
  dict["index_error"] = info.index_error.empty() ? nb::none() : from_text(info.index_error);
  return dict;
}

nb::dict report(const DatabaseInfo& info) {
  nb::dict dict;
  dict["path"] = from_text(info.path);
  dict["format_version"] = info.format_version;
  dict["version"] = from_text(version());
  dict["memory_limit_bytes"] = info.memory_limit_bytes;
  dict["memory_used_bytes"] = info.memory_used_bytes;
  dict["resident_set_bytes"] = info.resident_set_bytes;
  dict["memory"] = report(info.memory);
  dict["bytes_on_disk"] = info.bytes_on_disk;
  dict["redo_bytes"] = info.redo_bytes;
  dict["isa"] = from_text(info.isa);
  dict["read_only"] = info.read_only;
  dict["write_error"] = from_text(info.write_error);
  nb::list collections;
  for (const CollectionInfo& collection : info.collections) collections.append(report(collection));
  dict["collections"] = collections;
  return dict;
}

}  // namespace roxanne::python
