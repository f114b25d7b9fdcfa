#include "database/serving_graph.h"

#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"

namespace roxanne::database {

namespace {

Status too_large(uint64_t node_count, uint64_t bytes, uint64_t left) {
  return Status::unsupported("the graph of " + std::to_string(node_count) + " points takes " +
                             std::to_string(bytes) + " bytes of memory; the memory limit leaves " +
                             std::to_string(left));
}

}  // namespace

Result<index::MemoryReservation> reserve_for_graph(const CollectionImpl& collection,
                                                   const schema::GraphRecord& record) {
  DatabaseImpl& database = *collection.database();
  std::optional<index::MemoryReservation> memory = database.reserve_memory(record.memory_bytes);
  if (memory.has_value()) return *std::move(memory);
  return too_large(record.node_count, record.memory_bytes, database.budget().left());
}

Result<std::shared_ptr<const ServingGraph>> make_serving_graph(
    std::unique_ptr<index::ResidentIndex> index, index::MemoryReservation memory) {
  const uint64_t left = memory.bytes();
  if (!memory.resize(index->bytes_in_memory())) {
    return too_large(index->node_count(), index->bytes_in_memory(), left);
  }
  auto graph = std::make_shared<ServingGraph>();
  graph->memory = std::move(memory);
  graph->named = index::set_of_slots(index->slots());
  graph->index = std::move(index);
  return std::shared_ptr<const ServingGraph>(std::move(graph));
}

Result<std::shared_ptr<const ServingGraph>> load_graph(const CollectionImpl& collection,
                                                       const schema::GraphRecord& record,
                                                       index::MemoryReservation memory) {
  DatabaseImpl& database = *collection.database();
  const std::string path = database.graph_path(collection.id(), record.file_number);
  ROX_ASSIGN_OR_RETURN(const uint64_t bytes, database.file_system().file_size(path));
  if (bytes != record.file_bytes) {
    return Status::corruption(path + ": " + std::to_string(bytes) + " bytes, expected " +
                              std::to_string(record.file_bytes));
  }
  ROX_ASSIGN_OR_RETURN(
      auto index, index::ResidentIndex::load(database.file_system(), path, collection.options()));
  const std::span<const uint32_t> slots = index->slots();
  if (slots.size() != record.node_count || (!slots.empty() && slots.back() >= record.slot_end)) {
    return Status::corruption(path + ": " + std::to_string(slots.size()) +
                              " nodes; the store names " + std::to_string(record.node_count));
  }
  return make_serving_graph(std::move(index), std::move(memory));
}

}  // namespace roxanne::database
