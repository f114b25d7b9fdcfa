// Keeps one collection's graph up with its points by changing the disk form in place: points of the
// tail are put in, dead nodes taken out (docs/durability.md, "A graph that changes").
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "database/tail_rows.h"
#include "index/disk_updater.h"
#include "index/memory_budget.h"
#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;
struct ServingGraph;
struct Version;

class GraphUpkeep {
 public:
  // Both outlive it.
  GraphUpkeep(DatabaseImpl& database, CollectionImpl& collection);
  ~GraphUpkeep();

  // What changing a graph takes in memory, of so much for graphs in all.
  static uint64_t buffer_bytes_of(uint64_t budget_bytes);

  // Whoever changes the graph holds this: takes points in, makes it durable, replaces it, lets go
  // of it, drops the collection. Before Committer::run_alone(), never inside; one collection's at a
  // time, or several in the order of Database::collections().
  [[nodiscard]] std::unique_lock<std::mutex> hold();
  // Whether somebody waits for it: the background lets others go first.
  bool is_wanted() const { return waiting_ > 0; }

  // --- While it is held.
  // Whether the serving graph can be changed in place, or there is a form of it that can.
  bool can_work() const;
  // Lets the disk form serve, which alone can be changed. The store forgets the resident form,
  // which must not fall behind unnoticed. Nothing where that is done.
  Status leave_resident_form();
  // Takes in up to `count_max` points and takes out up to four times as many dead nodes, fewer
  // where others shall go on; returns how many both were.
  Result<uint64_t> step(uint64_t count_max);
  // What is left to do when nothing waits: codes that the graph has outgrown, a piece at a time;
  // and when writes have paused (`is_quiet`) and all is durable, space that is not needed. Whether
  // there is more.
  Result<bool> rest(bool is_quiet);
  // Whether a checkpoint left space idle that a quiet rest() will give back.
  bool has_idle_space() const { return has_idle_space_; }
  // Makes all of that durable. Nothing where nothing was done.
  Status checkpoint();
  bool is_checkpoint_due() const;
  // Steps until all that waits now is done, then a checkpoint. `progress` may be empty; false
  // cancels.
  using Progress = std::function<bool(std::string_view phase, double fraction)>;
  Status drain(const Progress& progress, const std::atomic<bool>& cancelled);
  // The last call of one that will not be changed any more, before whatever serves it lets go of
  // it: what is not durable is done again by whoever loads it.
  void let_go();
  // The store forgets the graph, and its files go; searches compare with every point. While no
  // commit is under way.
  Status give_up_graph();
  // Before the database is closed: a checkpoint, the store's record of the graph, and let_go().
  void close();

  // --- From any thread.
  uint64_t changes_since_checkpoint() const { return changes_; }
  IndexUpdateInfo done() const;
  uint64_t bytes_in_memory() const { return buffer_bytes_; }
  // What the graph takes in memory beyond what it took when it was loaded.
  uint64_t bytes_grown() const { return grown_bytes_; }

 private:
  // What one step does.
  struct Work {
    std::shared_ptr<const Version> version;  // held: none of its slots is written meanwhile
    std::vector<index::NewNode> added;
    std::vector<uint32_t> removed;
    std::vector<std::byte> bytes;  // of rows that were read
  };
  Status prepare();
  Status unload(std::shared_ptr<const Version> version);
  Status forget_resident_record();
  Status make_updater();
  bool is_behind() const;
  bool hands_over() const;
  Result<Work> find_work(uint64_t count_max);
  Status read_rows(uint64_t count_max, Work& work) const;
  Result<bool> pack();
  Status apply(const Work& work);
  Status note_applied(const Work& work);
  Status follow_growth();
  Status renew_record();
  bool is_record_far_off() const;
  Status stop_writing_after(const Status& status);
  void take_stats();

  DatabaseImpl& database_;
  CollectionImpl& collection_;
  std::atomic<uint32_t> waiting_{0};
  std::mutex mutex_;  // held by whoever changes the graph: guards what follows, but for atomics
  std::shared_ptr<const ServingGraph>
      graph_;  // shared with versions; the one that updater_ changes
  std::unique_ptr<index::DiskUpdater> updater_;
  index::MemoryReservation buffers_;  // of updater_
  index::MemoryReservation grown_;
  uint64_t durable_slot_capacity_ = 0;  // of the vectors file: what a power cut leaves
  uint64_t durable_cuts_ = 0;           // how often it had been cut then
  uint64_t slot_capacity_ = 0;          // that all nodes lie below
  bool is_draining_ = false;
  bool record_is_stale_ = false;
  bool has_idle_space_ = false;
  std::atomic<uint64_t> changes_{0};
  std::atomic<uint64_t> buffer_bytes_{0};
  std::atomic<uint64_t> grown_bytes_{0};
  mutable std::mutex stats_mutex_;  // guards the next two
  IndexUpdateInfo earlier_;         // by updaters before this one
  IndexUpdateInfo current_;
};

}  // namespace roxanne::database
