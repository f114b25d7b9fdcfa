#include "json/info_json.h"

#include "json/json_object.h"

namespace roxanne::json {
namespace {

std::string updates_json(const IndexUpdateInfo& updates) {
  Object object;
  object.add("added", updates.added).add("removed", updates.removed).add("reads", updates.reads);
  object.add("pages_written", updates.pages_written).add("bytes_written", updates.bytes_written);
  object.add("checkpoints", updates.checkpoints);
  return object.text();
}

// Without an index, without settings.
std::string index_json(const IndexInfo& index) {
  if (index.bytes_on_disk == 0) return "{}";
  Object object;
  object.add("points", index.points).add("search_list_size", uint64_t{index.search_list_size});
  object.add("max_degree", uint64_t{index.max_degree});
  object.add("bytes_in_memory", index.bytes_in_memory).add("bytes_on_disk", index.bytes_on_disk);
  object.add("unindexed_points", index.unindexed_points).add("dead_nodes", index.dead_nodes);
  object.add("changes_since_checkpoint", index.changes_since_checkpoint);
  object.raw("updates", updates_json(index.updates));
  return object.text();
}

}  // namespace

std::string memory_json(const std::vector<MemoryPart>& parts) {
  std::vector<std::string> items;
  for (const MemoryPart& part : parts) {
    items.push_back(Object().add("name", part.name).add("bytes", part.bytes).text());
  }
  return list(items);
}

std::string collection_json(const CollectionInfo& info) {
  Object object;
  object.add("name", info.name).add("points", info.points).add("dim", uint64_t{info.options.dim});
  object.add("type", scalar_type_name(info.options.type));
  object.add("metric", metric_name(info.options.metric));
  object.add("key_type", key_type_name(info.options.key_type));
  object.add("regime", info.regime).add("bytes_on_disk", info.bytes_on_disk);
  object.add("bytes_in_memory", info.bytes_in_memory).raw("memory", memory_json(info.memory));
  object.add("slots", info.slots);
  object.raw("index", index_json(info.index));
  object.raw("index_error", info.index_error.empty() ? "null" : json::quoted(info.index_error));
  return object.text();
}

}  // namespace roxanne::json
