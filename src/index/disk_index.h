// A graph over a collection's vectors whose nodes lie in pages on disk: a search holds short codes
// in memory and reads a few pages. Built in bulk, opened without rebuilding, changed in place by a
// DiskUpdater.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/reader_gate.h"
#include "base/thread_pool.h"
#include "graph/adjacency.h"
#include "index/codes_keeper.h"
#include "index/disk_codes_file.h"
#include "index/disk_graph.h"
#include "index/disk_lane.h"
#include "index/disk_paths.h"
#include "index/exact_scan.h"
#include "index/live_set.h"
#include "index/page_cache.h"
#include "roxanne/options.h"
#include "roxanne/status.h"
#include "roxanne/types.h"
#include "storage/page_store.h"

namespace roxanne::index {

// What an index takes in memory, by part; the cache not included.
struct DiskMemory {
  uint64_t codes = 0;
  uint64_t cells = 0;
  uint64_t page_map = 0;
  uint64_t search_buffers = 0;
  uint64_t slots = 0;  // where each slot's node is
  uint64_t at_rest() const { return codes + cells + page_map + slots; }
  uint64_t total() const { return at_rest() + search_buffers; }
};

struct DiskOpenOptions {
  bool read_only = true;
  // Of files that are written: see storage::PageStoreOptions.
  std::function<bool()> is_unread_elsewhere;
};

struct DiskSearchOptions {
  size_t k = 10;
  size_t search_list_size = 0;  // 0 = what was found at build time to reach recall@10 0.95
  size_t thread_count = 1;
  // Slots that are no answers, one a query; null = none. For measuring with queries that are
  // points of the index.
  const uint32_t* without = nullptr;
  Deadline deadline = kNoDeadline;  // queries that have not ended by then are kCancelled
};

// Searches may run at once, and while it is changed.
class DiskIndex {
 public:
  // Reads the codes and the page map. kCorruption names the place, kUnsupported a newer version.
  static Result<std::unique_ptr<DiskIndex>> open(storage::FileSystem& file_system,
                                                 const DiskPaths& paths,
                                                 const CollectionOptions& options,
                                                 const DiskOpenOptions& open_options = {});
  // For the build, which hands in the keeper when the codes are written.
  DiskIndex(std::unique_ptr<DiskGraph> graph, std::unique_ptr<storage::PageStore> pages,
            uint64_t codes_file_bytes);
  void keep_codes(std::unique_ptr<CodesKeeper> keeper) { codes_keeper_ = std::move(keeper); }
  ~DiskIndex();

  // Whether a DiskUpdater can: not where it was written by an earlier version.
  bool can_change() const { return codes_keeper_ != nullptr; }
  uint64_t node_count() const { return facts().node_count; }
  size_t max_degree() const { return graph_->shape.max_degree; }
  size_t code_bytes() const { return graph_->code.code_bytes(); }
  LiveSet slots() const;  // of the nodes there are now
  size_t default_search_list_size() const { return facts().list_sizes.for_k(ListSizes::kSmallK); }
  DiskMemory memory() const;
  uint64_t bytes_on_disk() const { return codes_file_bytes_ + page_bytes_on_disk(); }
  uint64_t page_bytes_on_disk() const;
  uint64_t codes_bytes_on_disk() const { return codes_file_bytes_; }
  // Of one thread's searches; about.
  uint64_t lane_bytes() const;
  const storage::PageStore& pages() const { return *pages_; }
  const DiskGraph& graph() const { return *graph_; }

  // For who builds it, before anything is searched, and who changes it, at the gate.
  DiskGraph& graph() { return *graph_; }
  base::ReaderGate& gate() { return gate_; }
  storage::PageStore& pages() { return *pages_; }
  CodesKeeper* codes_keeper() { return codes_keeper_.get(); }
  PageCache& cache() { return cache_; }
  // Replaces pages, in the file and in the cache; they ascend. `moved_from`: for each image the
  // page that it was; empty where none has another number now. Pages that go are taken out
  // (pages()) once nothing in the graph's tables leads there: searches pass over what is not in the
  // file.
  Status write_pages(std::span<const storage::PageImage> images,
                     std::span<const uint32_t> moved_from = {});
  // The graph's numbers have changed, and its slots, where they are given.
  void note_changed(std::optional<LiveSet> slots, uint64_t codes_file_bytes);

  // Search buffers are kept for so many threads; more threads than that make their own each time.
  void keep_lanes(size_t count) { lanes_kept_ = count; }
  // Lets pages stay in memory, in so many bytes at the most; none before. One call at a time.
  void resize_cache(uint64_t bytes) { cache_.resize(bytes); }
  uint64_t cache_bytes() const { return cache_.bytes(); }
  // With so many all pages of the file stay.
  uint64_t cache_bytes_for_all() const;

  // Lanes are kept for the next search; one thread's at a time.
  std::unique_ptr<DiskLane> take_lane();
  void give_back(std::unique_ptr<DiskLane> lane);

  // For each query at most k nearest nodes whose slots are in `live`, by (distance, slot); ids are
  // slots; distances are the exact ones. Queries are of the collection's scalar type and dimension,
  // finite. Each query's outcome is its own: a read that fails hurts that query alone.
  // Each query goes by the graph of the moment when it begins; one that runs while points move may
  // miss some of those.
  std::vector<DiskOutcome> search(MatrixView queries, const LiveSet& live, base::ThreadPool& pool,
                                  const DiskSearchOptions& options);

  // The edges of all nodes, numbered by the order of their slots, which ascend. kCorruption,
  // kIoError.
  Status read_edges(std::span<const uint32_t> slots, graph::Adjacency& edges) const;

  // Reads and checks every page, and all it says against the codes, against the row and against
  // the tag that a slot has (null, nothing: not compared). Edges that lead to points that are gone
  // are fine while they are few. Calls `damaged` with what is wrong, until it returns false. Nobody
  // changes the index meanwhile.
  using RowOf = std::function<const std::byte*(uint32_t slot)>;
  using TagOf = std::function<std::optional<uint64_t>(uint32_t slot)>;
  using Damaged = std::function<bool(const Status&)>;
  void verify(const RowOf& row_of, const TagOf& tag_of, const Damaged& damaged) const;
  // Calls `visit` with every page that is whole, in order; reads long runs. What is wrong with
  // others is passed to `damaged`, until it returns false.
  using VisitPage = std::function<void(uint32_t page, const std::byte* bytes)>;
  void visit_pages(const VisitPage& visit, const Damaged& damaged) const;

 private:
  // What may be asked without a seat at the gate.
  struct Facts {
    uint64_t node_count = 0;
    ListSizes list_sizes;
    DiskGraphBytes bytes;
  };
  Facts facts() const;

  const std::unique_ptr<DiskGraph> graph_;
  mutable base::ReaderGate gate_;  // to *graph_; before the lanes, which have seats
  const std::unique_ptr<storage::PageStore> pages_;
  std::unique_ptr<CodesKeeper> codes_keeper_;
  PageCache cache_;
  std::atomic<uint64_t> codes_file_bytes_;
  mutable std::mutex facts_mutex_;  // guards the next two
  Facts facts_;
  LiveSet slots_;
  mutable std::mutex lanes_mutex_;  // guards idle_lanes_ and lane_bytes_
  std::vector<std::unique_ptr<DiskLane>> idle_lanes_;
  uint64_t lane_bytes_ = 0;  // of idle_lanes_
  size_t lanes_kept_ = 8;
};

}  // namespace roxanne::index
