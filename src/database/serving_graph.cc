#include "database/serving_graph.h"

#include <algorithm>

#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "index/disk_build_bytes.h"

namespace roxanne::database {
namespace {

// Of what the memory limit leaves, a cache of pages takes so many parts in four: exact scans and
// other collections want some too.
constexpr uint64_t kCacheQuarters = 3;
// It grows in steps of one part in so many of all pages, and of so much at the least: smaller ones
// are not worth their tables. It has room for all pages and for two steps more, so that one is left
// where the next is due: pages that changed are written before those that they replace go.
constexpr uint64_t kCacheStepShare = 32;
constexpr uint64_t kCacheStepLeast = 4u << 20;
// How long searches may hold on to a graph that has to make room.
constexpr int kUnloadTries = 10'000;
constexpr uint64_t kUnloadWaitUs = 1000;

Status too_large(uint64_t node_count, uint64_t bytes, uint64_t left) {
  return Status::unsupported("the graph of " + std::to_string(node_count) + " points takes " +
                             std::to_string(bytes) + " bytes of memory; the memory limit leaves " +
                             std::to_string(left));
}

Status check_nodes(const std::string& path, const schema::GraphRecord& record, uint64_t node_count,
                   uint64_t slot_end) {
  if (node_count == record.node_count && slot_end <= record.slot_end) return Status::ok();
  return Status::corruption(path + ": " + std::to_string(node_count) + " nodes; the store names " +
                            std::to_string(record.node_count));
}

}  // namespace

uint64_t bytes_to_serve(const CollectionImpl& collection, const schema::GraphRecord& record,
                        const schema::GraphForm& form) {
  if (&form != &record.disk) return form.memory_bytes;
  const size_t threads = collection.database()->options().thread_count;
  return form.memory_bytes + threads * index::disk_lane_bytes(collection.options());
}

// A disk form that changes in place knows itself which files of codes it has, and how large all
// are.
Status check_files_of(const CollectionImpl& collection, const schema::GraphRecord& record,
                      const schema::GraphForm& form) {
  DatabaseImpl& database = *collection.database();
  const auto paths = database.files().graph_paths(collection.id(), record.file_number);
  const bool is_resident = &form == &record.resident;
  if (!is_resident && record.is_changeable) {
    return database.file_system().file_size(paths.disk.pages).status();
  }
  uint64_t bytes = 0;
  std::string names;
  for (const std::string& path :
       is_resident ? std::vector<std::string>{paths.resident}
                   : std::vector<std::string>{paths.disk.pages, paths.disk.codes}) {
    ROX_ASSIGN_OR_RETURN(const uint64_t size, database.file_system().file_size(path));
    bytes += size;
    names += (names.empty() ? "" : ", ") + path;
  }
  if (bytes == form.file_bytes) return Status::ok();
  return Status::corruption(names + ": " + std::to_string(bytes) + " bytes, expected " +
                            std::to_string(form.file_bytes));
}

Result<GraphChoice> choose_graph(const CollectionImpl& collection,
                                 const schema::GraphRecord& record) {
  DatabaseImpl& database = *collection.database();
  for (const schema::GraphForm* form : {&record.resident, &record.disk}) {
    if (!form->exists()) continue;
    auto memory = database.reserve_memory(bytes_to_serve(collection, record, *form));
    if (memory.has_value()) return GraphChoice{form == &record.resident, *std::move(memory)};
  }
  const schema::GraphForm& least = record.disk.exists() ? record.disk : record.resident;
  return too_large(record.node_count, bytes_to_serve(collection, record, least),
                   database.budget().left());
}

Result<std::shared_ptr<const ServingGraph>> make_serving_graph(
    std::unique_ptr<index::ResidentIndex> index, index::MemoryReservation memory) {
  const uint64_t left = memory.bytes();
  if (!memory.resize(index->bytes_in_memory())) {
    return too_large(index->node_count(), index->bytes_in_memory(), left);
  }
  auto graph = std::make_shared<ServingGraph>();
  graph->memory = std::move(memory);
  graph->resident = std::move(index);
  return std::shared_ptr<const ServingGraph>(std::move(graph));
}

void ServingGraph::shrink_cache(uint64_t bytes) const {
  const std::lock_guard lock(cache_mutex);
  const uint64_t now = cache_bytes();
  if (now == 0) return;
  disk->resize_cache(now - std::min(now, bytes));
  (void)cache_memory.resize(disk->cache_bytes());
}

void fit_cache(DatabaseImpl& database, const ServingGraph& graph) {
  if (graph.disk == nullptr || !database.options().page_cache) return;
  const std::lock_guard lock(graph.cache_mutex);
  const uint64_t now = graph.disk->cache_bytes();
  const uint64_t most = (database.budget().left() + now) / 4 * kCacheQuarters;
  const uint64_t all = graph.disk->cache_bytes_for_all();
  const uint64_t step = std::max(kCacheStepLeast, all / kCacheStepShare);
  const uint64_t wanted = std::min(all + 2 * step, most);
  if (wanted < now + step) return;
  if (now == 0) graph.cache_memory = index::MemoryReservation(database.budget(), 0);
  if (!graph.cache_memory.resize(wanted)) return;
  graph.disk->resize_cache(wanted);
  (void)graph.cache_memory.resize(graph.disk->cache_bytes());  // what it did not take
}

Result<std::shared_ptr<const ServingGraph>> make_serving_graph(
    DatabaseImpl& database, std::unique_ptr<index::DiskIndex> index,
    index::MemoryReservation memory) {
  const uint64_t bytes =
      index->memory().at_rest() + database.options().thread_count * index->lane_bytes();
  index->keep_lanes(database.options().thread_count);
  const uint64_t left = memory.bytes();
  if (!memory.resize(bytes)) return too_large(index->node_count(), bytes, left);
  auto graph = std::make_shared<ServingGraph>();
  graph->memory = std::move(memory);
  graph->disk = std::move(index);
  fit_cache(database, *graph);
  return std::shared_ptr<const ServingGraph>(std::move(graph));
}

bool wait_for_searches_of(const std::weak_ptr<const ServingGraph>& graph,
                          storage::FileSystem& files, const std::function<bool()>& goes_on) {
  for (int i = 0; i < kUnloadTries && !graph.expired(); ++i) {
    if (goes_on && !goes_on()) return false;
    files.sleep_us(kUnloadWaitUs);
  }
  return true;
}

Result<std::shared_ptr<const ServingGraph>> load_graph(const CollectionImpl& collection,
                                                       const schema::GraphRecord& record,
                                                       GraphChoice choice,
                                                       const GraphLoadOptions& options) {
  DatabaseImpl& database = *collection.database();
  const auto paths = database.files().graph_paths(collection.id(), record.file_number);
  if (choice.is_resident) {
    ROX_RETURN_IF_ERROR(check_files_of(collection, record, record.resident));
    ROX_ASSIGN_OR_RETURN(
        auto index,
        index::ResidentIndex::load(database.file_system(), paths.resident, collection.options()));
    const std::span<const uint32_t> slots = index->slots();
    ROX_RETURN_IF_ERROR(check_nodes(paths.resident, record, slots.size(),
                                    slots.empty() ? 0 : uint64_t{slots.back()} + 1));
    return make_serving_graph(std::move(index), std::move(choice.memory));
  }
  ROX_RETURN_IF_ERROR(check_files_of(collection, record, record.disk));
  const index::DiskOpenOptions open_options{
      .read_only = !options.to_change || !record.is_changeable,
      .is_unread_elsewhere = [&database] { return database.no_readers_elsewhere(); }};
  ROX_ASSIGN_OR_RETURN(auto index, index::DiskIndex::open(database.file_system(), paths.disk,
                                                          collection.options(), open_options));
  // Who writes may have changed it since this process has read the record.
  const bool is_as_told = !database.options().read_only || database.is_as_it_was_opened();
  if (!record.changes_in_place() && is_as_told) {
    ROX_RETURN_IF_ERROR(check_nodes(paths.disk.codes, record, index->node_count(), 0));
  }
  return make_serving_graph(database, std::move(index), std::move(choice.memory));
}

}  // namespace roxanne::database
