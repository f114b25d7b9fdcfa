// What a collection tells of itself.
#include <algorithm>

#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/graph_upkeep.h"

namespace roxanne::database {

Result<CollectionInfo> CollectionImpl::info() const {
  ROX_RETURN_IF_ERROR(usable());
  const std::shared_ptr<const Version> version = this->version();
  const std::shared_ptr<index::VectorStore> vectors = this->vectors();
  if (version == nullptr || vectors == nullptr) return usable();
  CollectionInfo info;
  info.name = name();
  info.options = options();
  info.points = version->live.count();
  info.regime = "exact";
  ROX_ASSIGN_OR_RETURN(info.bytes_on_disk, vectors->file().allocated_bytes());
  info.slots = version->live.slot_end();
  info.index_error = index_error();
  fill_index_info(*version, info);
  info.memory = memory_parts(*version, *vectors);
  for (const MemoryPart& part : info.memory) info.bytes_in_memory += part.bytes;
  return info;
}

namespace {

void add_graph_parts(const ServingGraph& graph, std::vector<MemoryPart>& parts) {
  if (graph.resident != nullptr) {
    parts.push_back({"graph", graph.resident->bytes_in_memory()});
    return;
  }
  const index::DiskMemory memory = graph.disk->memory();
  parts.push_back({"codes", memory.codes});
  parts.push_back({"cells", memory.cells});
  parts.push_back({"slot table", memory.slots});
  parts.push_back({"page map", memory.page_map});
  parts.push_back({"page cache", graph.disk->cache_bytes()});
  parts.push_back({"search buffers", memory.search_buffers});
}

}  // namespace

std::vector<MemoryPart> CollectionImpl::memory_parts(const Version& version,
                                                     const index::VectorStore& vectors) const {
  std::vector<MemoryPart> parts;
  uint64_t live_sets = version.live.bytes_in_memory();
  parts.push_back({"vectors", vectors.bytes_in_memory()});
  if (version.graph != nullptr) {
    add_graph_parts(*version.graph, parts);
    parts.push_back({"tail", version.tail.rows.bytes_in_memory()});
    if (version.graph->can_change()) parts.push_back({"updates", upkeep_->bytes_in_memory()});
    live_sets += version.tail.slots.bytes_in_memory() + version.tail.on_disk.bytes_in_memory();
  }
  parts.push_back({"live sets", live_sets});
  return parts;
}

void CollectionImpl::fill_index_info(const Version& version, CollectionInfo& info) const {
  const std::optional<schema::GraphRecord> record = graph_record();
  if (!record.has_value()) return;
  info.index.max_degree = record->max_degree;
  info.index.bytes_on_disk = database_->files().graph_bytes_on_disk(id_, *record);
  info.bytes_on_disk += info.index.bytes_on_disk;
  info.index.updates = upkeep_->done();
  info.index.changes_since_checkpoint = upkeep_->changes_since_checkpoint();
  if (version.graph == nullptr) {
    fill_waiting_graph_info(*record, info);
    return;
  }
  const GraphLag lag = lag_of(version);
  const bool is_resident = version.graph->resident != nullptr;
  info.regime = is_resident ? "resident" : "disk";
  info.index.search_list_size = is_resident ? version.graph->resident->default_search_list_size()
                                            : version.graph->disk->default_search_list_size();
  info.index.points = lag.points - lag.tail;
  info.index.unindexed_points = lag.tail;
  info.index.dead_nodes = lag.dead;
  info.index.bytes_in_memory =
      version.graph->memory.bytes() + version.graph->cache_bytes() + upkeep_->bytes_grown();
}

// A graph that no search has loaded yet is told from its record.
void CollectionImpl::fill_waiting_graph_info(const schema::GraphRecord& record,
                                             CollectionInfo& info) const {
  info.index.search_list_size =
      (record.resident.exists() ? record.resident : record.disk).search_list_size;
  info.index.points = std::min<uint64_t>(record.node_count, info.points);
  info.index.unindexed_points = info.points - info.index.points;
  if (!graph_waits_ || !is_worth_a_graph(info.points)) return;
  const uint64_t limit = database_->budget().limit();
  const schema::GraphForm* form = nullptr;
  for (const schema::GraphForm* one : {&record.disk, &record.resident}) {
    if (one->exists() && bytes_to_serve(*this, record, *one) <= limit) form = one;
  }
  if (form == nullptr) {
    const uint64_t least =
        bytes_to_serve(*this, record, record.disk.exists() ? record.disk : record.resident);
    info.index_error = "the graph takes " + std::to_string(least) +
                       " bytes of memory; the memory limit allows " + std::to_string(limit);
    return;
  }
  const Status there = check_files_of(*this, record, *form);
  if (!there.is_ok()) {
    info.index_error = there.message();
    return;
  }
  info.regime = form == &record.resident ? "resident" : "disk";
  info.index.search_list_size = form->search_list_size;
}

}  // namespace roxanne::database
