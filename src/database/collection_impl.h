// A collection inside: its versions, its slots, its searches.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "database/graph_policy.h"
#include "database/schema.h"
#include "database/serving_graph.h"
#include "database/slot_keeper.h"
#include "database/tail_rows.h"
#include "index/live_set.h"
#include "index/vector_store.h"
#include "roxanne/collection.h"
#include "storage/key_value_store.h"

namespace roxanne::database {

class DatabaseImpl;
class GraphUpkeep;

// What a reader sees: one moment of the collection, complete and unchanging. While a Version is
// held, no slot in its live set is written. Keeps D5.
struct Version {
  index::LiveSet live;
  std::shared_ptr<const ServingGraph> graph;  // shared by versions; null: searches are exact
  Tail tail;                // live slots that the graph did not name at that moment
  uint64_t node_count = 0;  // of the graph then; a graph that changes may have others by now
  std::unique_ptr<storage::KeyValueStore::Snapshot> snapshot;
};

class CollectionImpl {
 public:
  CollectionImpl(uint32_t id, schema::CollectionRecord record,
                 std::shared_ptr<DatabaseImpl> database);
  ~CollectionImpl();

  // Opens the vectors file and the live bitmaps; a failure is kept and returned by every call, so
  // that one damaged collection does not close the others.
  void open();
  const Status& open_status() const { return open_status_; }

  uint32_t id() const { return id_; }
  const std::string& name() const { return record_.name; }
  const CollectionOptions& options() const { return record_.options; }
  size_t row_bytes() const { return options().dim * scalar_bytes(options().type); }

  // kNotFound once the database is closed or the collection dropped, else open_status().
  Status usable() const;
  void retire();  // dropped or closed: lets go of files and versions

  Result<UpsertCounts> upsert(const KeysView& keys, const MatrixView& vectors,
                              const UpsertOptions& options);
  Result<uint64_t> erase(const KeysView& keys);
  Result<Point> get(const Key& key, const GetOptions& options) const;
  // In collection_search.cc. `options` are checked; k may be one above what is allowed outside.
  Result<std::vector<std::vector<Neighbor>>> search(const MatrixView& queries,
                                                    const SearchOptions& options);
  Result<std::vector<Neighbor>> search(const VectorView& query, const SearchOptions& options);
  Result<std::vector<Neighbor>> search_like(const Key& key, const SearchOptions& options);
  Result<CollectionInfo> info() const;

  // In collection_graph.cc. Loads the graph that the store names, where that was not tried yet; see
  // index_error() then.
  void load_waiting_graph();
  bool graph_waits() const { return graph_waits_; }
  std::optional<schema::GraphRecord> graph_record() const;
  void set_graph_record(const schema::GraphRecord& record);
  // While no commit is under way. What the store says of the graph from now on, none: that there is
  // no graph; `synced`: after a power cut too. Where that fails nothing can be written any more.
  Status write_graph_record(const std::optional<schema::GraphRecord>& record, bool synced);
  uint32_t last_graph_number() const;  // that files had since open: none gets one twice
  // Whether a graph that is served from disk would fit memory, were its resident form made.
  bool may_become_resident(const Version& version) const;
  // Reads the disk form that `record` names, or finds it in memory still.
  Result<std::shared_ptr<const ServingGraph>> load_disk_form(const schema::GraphRecord& record,
                                                             index::MemoryReservation memory);
  // The rows of the newest version's tail beside a graph, where they fit what is kept in memory,
  // and that version: while it is held they are the rows of their slots.
  struct TailBeside {
    TailRows rows;
    std::shared_ptr<const Version> version;
  };
  TailBeside read_tail_beside(const ServingGraph& graph) const;
  std::string index_error() const;
  void set_index_error(const std::string& why);  // "": all is well
  GraphRules rules() const;
  GraphLag lag() const;  // of the newest version; zeros once retired
  // What changes the graph in place.
  GraphUpkeep& upkeep() { return *upkeep_; }
  const GraphUpkeep& upkeep() const { return *upkeep_; }
  // Whether its graph is being built, of rows or of another form: it must not change meanwhile.
  std::atomic<bool> is_being_built{false};
  // Before then the background does not build it, though that is due: it rests.
  std::atomic<std::chrono::steady_clock::time_point> build_not_before{};
  // Whether the background takes this collection's points into its graph.
  std::atomic<bool> is_maintained{false};
  // Since it was opened: points that came or went.
  uint64_t changes_since_open() const { return changes_since_open_; }

  // The newest version; null once retired.
  std::shared_ptr<const Version> version() const;
  std::shared_ptr<DatabaseImpl> database() const { return database_; }
  std::shared_ptr<index::VectorStore> vectors() const;

  // For the committer, which is one thread at a time.
  std::vector<uint32_t> take_slots(size_t count);
  SlotKeeper& slots() { return *slots_; }
  const SlotKeeper& slots() const { return *slots_; }
  // In collection_space.cc. Freed slots below `slot_end`, ascending; none where another process
  // reads.
  std::vector<uint32_t> take_slots_below(size_t count, uint64_t slot_end);
  // Blocks of the vectors file that take up disk and hold no slot that is in use.
  uint64_t idle_block_count();
  // Gives their space back, where no other process reads. After a checkpoint.
  void give_space_back();
  // The vectors file ends with the last slot that was ever taken: what lies beyond is reserved, and
  // would count as used when it is opened again. Before the database is closed.
  void give_reserve_back();
  // Makes `live` what new readers see; `freed` slots may be written again once no reader is left
  // that sees them and commit number `commit` is synced. `rows` were written, ascending by slot.
  struct Publication {
    index::LiveSet live;
    std::vector<uint32_t> freed = {};
    std::span<const storage::RowRef> rows = {};
    uint64_t commit = 0;
    // Of a change of the graph: chunks of slots that it finds others of now, ascending; and, where
    // it is another graph, rows of its tail.
    std::vector<size_t> indexed_chunks = {};
    std::optional<TailRows> tail = std::nullopt;
  };
  void publish(Publication next);
  // The same points with a new snapshot: an old one keeps RocksDB from forgetting what was erased.
  void refresh(uint64_t commit);
  // Makes new versions be searched through `graph`, which `record` names, and lets go of slots that
  // rested for an earlier one. Without `tail` the rows that are in memory are taken on.
  struct NewGraph {
    std::shared_ptr<const ServingGraph> graph;
    schema::GraphRecord record;
    std::optional<TailBeside> tail = std::nullopt;
  };
  void serve_graph(NewGraph next, uint64_t commit);
  // Lets go of the graph's memory as soon as no reader uses it. Its slots go on resting.
  std::weak_ptr<const ServingGraph> stop_serving(uint64_t commit);
  // Tries once more to load what the record names: after a build that failed.
  void let_graph_wait();
  // Whether the store names a graph that no search goes by, since so few points are left after what
  // was written since open.
  bool lacks_points_for_its_graph() const;
  // The store names no graph any more.
  void forget_graph(uint64_t commit);
  // The serving graph was changed in place: it may name `added` now, and `removed` no more.
  struct GraphChange {
    std::span<const uint32_t> added;
    std::span<const uint32_t> removed;
  };
  void note_graph_changed(const GraphChange& change, uint64_t commit);
  // After a repair of the live bitmaps in the store.
  Status reload_live_set(uint64_t commit);
  // Greater than any key's encoded bytes that were ever stored since open: no such key exists.
  bool is_beyond_keys(const std::string& encoded) const;
  void note_key(const std::string& encoded);
  std::atomic<uint64_t> redo_bytes{0};  // in redo records of this collection

 private:
  Status load();
  Result<index::LiveSet> load_graph_record(uint64_t slot_capacity);  // what it names, or might
  void note_disk_form(const std::shared_ptr<const ServingGraph>& graph, uint32_t file_number);
  TailRows no_tail_rows() const;
  Tail next_tail(const index::LiveSet& live, Publication& next) const;
  bool is_worth_a_graph(uint64_t points) const;
  Result<index::LiveSet> load_live_set() const;
  std::shared_ptr<const Version> version_to_search(const SearchOptions& options);
  using Found = std::vector<index::ScanNeighbor>;  // by distance, ties by slot
  Status search_block(const Version& version, const MatrixView& queries,
                      const SearchOptions& options, std::vector<std::vector<Neighbor>>& results,
                      SearchStats& stats) const;
  Result<std::vector<Found>> search_graph(const Version& version, const MatrixView& queries,
                                          const SearchOptions& options, SearchStats& stats) const;
  Result<std::vector<Found>> search_resident(const Version& version, const MatrixView& queries,
                                             const SearchOptions& options,
                                             SearchStats& stats) const;
  Result<std::vector<Found>> search_disk(const Version& version, const MatrixView& queries,
                                         const SearchOptions& options, SearchStats& stats) const;
  Status complete(const Version& version, const MatrixView& queries, const SearchOptions& options,
                  std::vector<Found>& found, SearchStats& stats) const;
  Status compare_tail(const Version& version, const MatrixView& queries,
                      const SearchOptions& options, std::vector<Found>& found,
                      SearchStats& stats) const;
  Result<std::vector<Found>> scan_tail_rows(const TailRows& rows, const MatrixView& queries,
                                            const SearchOptions& options, SearchStats& stats) const;
  Result<std::vector<Found>> scan_slots(const index::LiveSet& slots, const MatrixView& queries,
                                        const SearchOptions& options, SearchStats& stats) const;
  Result<std::vector<Neighbor>> to_neighbors(const Version& version, const Found& found,
                                             const SearchOptions& options) const;
  size_t lane_count(uint64_t work_per_query, size_t queries, const SearchOptions& options) const;
  // In collection_info.cc.
  void fill_index_info(const Version& version, CollectionInfo& info) const;
  void fill_waiting_graph_info(const schema::GraphRecord& record, CollectionInfo& info) const;
  std::vector<MemoryPart> memory_parts(const Version& version,
                                       const index::VectorStore& vectors) const;

  const uint32_t id_;
  const schema::CollectionRecord record_;
  // Shared with the Database handle: calls on a handle that outlived it must find a closed
  // database.
  const std::shared_ptr<DatabaseImpl> database_;
  Status open_status_;

  // Guards retired_, version_ and vectors_ (the pointers), graph_record_ and index_error_.
  mutable std::mutex mutex_;
  bool retired_ = false;
  std::shared_ptr<const Version> version_;       // shared with the readers that hold it
  std::shared_ptr<index::VectorStore> vectors_;  // shared with running reads when retired

  std::optional<schema::GraphRecord> graph_record_;
  std::string index_error_;
  std::mutex graph_load_mutex_;  // held while the graph is loaded: one thread does
  std::atomic<uint64_t> changes_since_open_{0};
  std::atomic<bool> graph_waits_{false};  // the store names a graph that was not loaded yet
  const std::unique_ptr<GraphUpkeep> upkeep_;

  uint32_t last_graph_number_ = 0;  // guarded by mutex_
  std::mutex disk_form_mutex_;      // guards the next two
  // The disk form that was loaded last: its files must not be opened twice to be written.
  std::weak_ptr<const ServingGraph> disk_form_;
  uint32_t disk_form_number_ = 0;

  // Only the committing thread uses what follows.
  std::unique_ptr<SlotKeeper> slots_;
  std::shared_ptr<const ServingGraph> graph_;  // shared with versions
  index::LiveSet indexed_;                     // slots that graph_ finds
  bool has_keys_ = false;
  std::string last_key_;  // encoded
};

}  // namespace roxanne::database
