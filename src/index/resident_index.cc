#include "index/resident_index.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/status_macros.h"
#include "index/graph_file.h"
#include "index/graph_searcher.h"
#include "index/resident_impl.h"

namespace roxanne::index {
namespace {

// How much longer the list gets where it brought fewer than k live nodes.
constexpr size_t kListGrowth = 4;

}  // namespace

class ResidentIndex::Impl {
 public:
  Impl(std::unique_ptr<ResidentGraph> graph_in, uint64_t bytes_on_disk_in)
      : graph(std::move(graph_in)), bytes_on_disk(bytes_on_disk_in) {}

  std::unique_ptr<GraphSearcher> take_searcher() {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto searcher = std::move(idle_.back());
        idle_.pop_back();
        return searcher;
      }
    }
    return std::make_unique<GraphSearcher>(*graph);
  }
  void give_back(std::unique_ptr<GraphSearcher> searcher) {
    std::lock_guard lock(mutex_);
    idle_.push_back(std::move(searcher));
  }

  const std::unique_ptr<ResidentGraph> graph;
  const uint64_t bytes_on_disk;

 private:
  std::mutex mutex_;  // guards idle_
  // One for each search that ever ran at once with others.
  std::vector<std::unique_ptr<GraphSearcher>> idle_;
};

ResidentIndex::ResidentIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ResidentIndex::~ResidentIndex() = default;

std::unique_ptr<ResidentIndex> make_resident_index(std::unique_ptr<ResidentGraph> graph,
                                                   uint64_t bytes_on_disk) {
  return std::make_unique<ResidentIndex>(
      std::make_unique<ResidentIndex::Impl>(std::move(graph), bytes_on_disk));
}

Result<std::unique_ptr<ResidentIndex>> ResidentIndex::load(storage::FileSystem& file_system,
                                                           const std::string& path,
                                                           const CollectionOptions& options) {
  ROX_ASSIGN_OR_RETURN(auto graph, read_graph_file(file_system, path, options));
  ROX_ASSIGN_OR_RETURN(const uint64_t bytes, file_system.file_size(path));
  return make_resident_index(std::move(graph), bytes);
}

uint64_t ResidentIndex::node_count() const { return impl_->graph->shape.node_count; }

uint64_t ResidentIndex::bytes_in_memory() const {
  const ResidentGraph& graph = *impl_->graph;
  return graph.records.size() + graph.root.size() + graph.slots.size() * sizeof(uint32_t) +
         graph.tags.size() * sizeof(uint64_t) + graph.subspace.basis().size_bytes();
}

uint64_t ResidentIndex::bytes_on_disk() const { return impl_->bytes_on_disk; }

size_t ResidentIndex::default_search_list_size() const {
  return impl_->graph->list_sizes.for_k(ListSizes::kSmallK);
}

size_t ResidentIndex::max_degree() const { return impl_->graph->shape.max_degree; }

std::span<const uint32_t> ResidentIndex::slots() const { return impl_->graph->slots; }

std::span<const uint64_t> ResidentIndex::tags() const { return impl_->graph->tags; }

bool ResidentIndex::contains(uint32_t slot) const {
  const auto& slots = impl_->graph->slots;
  return std::binary_search(slots.begin(), slots.end(), slot);
}

void ResidentIndex::search(VectorView query, const LiveSet& live, const GraphSearchOptions& options,
                           std::vector<ScanNeighbor>& found, GraphSearchStats& stats) const {
  const ResidentGraph& graph = *impl_->graph;
  const std::function<bool(uint32_t)> is_live = [&](uint32_t node) {
    return live.contains(graph.slots[node]);
  };
  const size_t nodes = graph.shape.node_count;
  size_t size =
      options.search_list_size != 0 ? options.search_list_size : graph.list_sizes.for_k(options.k);
  size = std::max(size, options.k);
  auto searcher = impl_->take_searcher();
  const SearchCounts before = searcher->counts();
  const std::vector<FoundNode>* answers = nullptr;
  // Dead nodes never take a live one's place: where too few were found, the list was too short.
  for (;; size *= kListGrowth) {
    answers = &searcher->search({.query = query.data(),
                                 .k = options.k,
                                 .search_list_size = std::min(size, nodes),
                                 .accepts = &is_live,
                                 .watch = options.watch});
    stats.search_list_size_used = std::max(stats.search_list_size_used, std::min(size, nodes));
    if (answers->size() == options.k || size >= nodes) break;
  }
  for (const FoundNode& node : *answers) {
    found.push_back({node.distance, graph.slots[node.node], graph.tags[node.node]});
  }
  stats.distance_computations += searcher->counts().distance_computations -
                                 before.distance_computations + searcher->counts().estimates -
                                 before.estimates;
  stats.hops += searcher->counts().hops - before.hops;
  stats.seed_us += searcher->counts().seed_us - before.seed_us;
  stats.walk_us += searcher->counts().walk_us - before.walk_us;
  impl_->give_back(std::move(searcher));
}

void ResidentIndex::verify(const std::function<const std::byte*(uint32_t slot)>& row_of,
                           const std::function<bool(const Status&)>& damaged) const {
  const ResidentGraph& graph = *impl_->graph;
  std::vector<bool> reached(graph.shape.node_count);
  std::vector<uint32_t> todo;
  const auto visit = [&](const LinksView<const std::byte>& links, size_t degree) {
    for (size_t i = 0; i < degree; ++i) {
      const uint32_t next = links.ids()[i];
      if (next == kNoNode || reached[next]) continue;
      reached[next] = true;
      todo.push_back(next);
    }
  };
  visit(graph.root_links(), graph.root_layout.degree);
  while (!todo.empty()) {
    const uint32_t node = todo.back();
    todo.pop_back();
    visit(graph.links(graph.record(node)), graph.shape.max_degree);
  }
  for (uint32_t node = 0; node < graph.shape.node_count; ++node) {
    const std::string name =
        "graph node " + std::to_string(node) + " (slot " + std::to_string(graph.slots[node]) + ")";
    if (!reached[node] && !damaged(Status::corruption(name + " cannot be reached"))) return;
    const std::byte* row = row_of ? row_of(graph.slots[node]) : nullptr;
    if (row != nullptr && std::memcmp(row, graph.record(node), graph.shape.row_bytes()) != 0 &&
        !damaged(Status::corruption(name + " has another vector than the slot"))) {
      return;
    }
  }
}

}  // namespace roxanne::index
