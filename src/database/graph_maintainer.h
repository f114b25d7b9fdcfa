// Takes what was written into the graphs that can be changed in place, in the background, and lets
// small writes wait where it does not keep up: from then on it is no background any more, or they
// would wait for whatever else the processors do.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "base/thread_pool.h"
#include "database/graph_policy.h"
#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;
struct ServingGraph;

// All calls may run at once, start() and stop() excepted.
class GraphMaintainer {
 public:
  // `database` outlives it.
  explicit GraphMaintainer(DatabaseImpl& database) : database_(database) {}
  ~GraphMaintainer();

  void start();  // its threads
  void stop();   // when what it does at this moment is done
  // After every commit; cheap.
  void note_commit();
  // A graph was put in force, or is not built after all.
  void note_graph();

  // For a writer of `row_count` points, before its commit: returns when the collection's tail is
  // short enough, or nobody is about to make it so.
  void wait_for_room(CollectionImpl& collection, size_t row_count);

  // For whoever changes a graph: helpers, and how many threads may work now: half as many as there
  // are processors; all where that is not enough and searches take little since this was asked
  // last.
  base::ThreadPool& pool();
  size_t thread_count(bool is_behind);
  // Whether the caller, in the background, shall soon end what it does: one of the usual priority
  // goes on with it.
  bool hands_over() const;
  // After each search of a graph that may change; cheap.
  void note_search(double us) {
    searching_us_.fetch_add(static_cast<uint64_t>(us), std::memory_order_relaxed);
  }

  // Of changes and builds, as they were measured last.
  UpdateCosts costs() const;
  void note_changes(uint64_t count, double seconds);
  void note_build(uint64_t points, double seconds);

 private:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;
  // What the threads know of a collection.
  struct Watch {
    Clock::time_point behind_since{};   // zero: nothing waits to be taken in
    Clock::time_point not_before{};     // after a failure
    std::chrono::seconds next_delay{};  // after the next one
    // The graph whose pages are brought to memory, from when on, and the next of them.
    std::weak_ptr<const ServingGraph> warmed;
    Clock::time_point warm_from{};
    uint32_t warm_next = 0;
    bool is_warm = false;
  };

  void run(bool for_urgent);
  // Do what is due; return how long until there may be more, kIdle for not before there is news.
  Milliseconds look_around();
  Milliseconds look_at(CollectionImpl& collection, Watch& watch);
  bool is_able(CollectionImpl& collection, const Watch& watch) const;
  Milliseconds work(CollectionImpl& collection, Watch& watch);
  Milliseconds warm(CollectionImpl& collection, Watch& watch);
  Status step(CollectionImpl& collection, uint64_t& done);
  void note_failure(CollectionImpl& collection, Watch& watch, const Status& status);
  bool holds_up(const CollectionImpl& collection) const;
  bool writes_paused() const;

  DatabaseImpl& database_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool runs_ = false;
  bool stopping_ = false;
  bool is_looking_ = false;
  Clock::time_point look_next_ = Clock::time_point::max();  // or then: when there is news
  uint64_t news_ = 0;                                       // commits, and graphs
  uint64_t seen_ = 0;                                       // of them
  Clock::time_point last_wait_{};                           // of a writer
  std::atomic<bool> is_urgent_{false};                      // changed while mutex_ is held
  Clock::time_point last_commit_{};
  UpdateCosts costs_;
  std::unique_ptr<base::ThreadPool> pool_;
  bool is_searching_ = false;  // told last
  uint64_t searching_us_then_ = 0;
  Clock::time_point asked_last_{};
  std::atomic<uint64_t> searching_us_{0};

  std::array<std::thread, 2> threads_;  // one in the background, and one for what is urgent
  std::map<uint32_t, Watch> watches_;   // of whichever looks around
};

}  // namespace roxanne::database
