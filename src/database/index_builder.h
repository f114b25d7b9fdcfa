// Builds the graphs of a database's collections: when asked to, and in the background as their
// points change. One build at a time; searches and writes go on meanwhile.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

// All calls may run at once, start() and stop() excepted.
class IndexBuilder {
 public:
  // `database` outlives it.
  explicit IndexBuilder(DatabaseImpl& database) : database_(database) {}
  ~IndexBuilder();

  void start();  // the background thread
  // Cancels what is under way; afterwards nothing is built.
  void stop();
  // After every commit, and where a graph has caught up with its points; cheap.
  void note_commit();

  // See Collection::build_index().
  Status build(const std::shared_ptr<CollectionImpl>& collection, const IndexOptions& options);

  // While it lives nothing is built for a collection: a build that runs is cancelled first.
  class Ban {
   public:
    Ban(IndexBuilder& builder, uint32_t collection);
    ~Ban();
    Ban(const Ban&) = delete;
    Ban& operator=(const Ban&) = delete;

   private:
    IndexBuilder& builder_;
    const uint32_t collection_;
  };

 private:
  using Clock = std::chrono::steady_clock;
  // What the background thread knows of a collection.
  struct Watch {
    Clock::time_point due_since{};      // zero: it is not due
    Clock::time_point not_before{};     // after a build, or a failure
    std::chrono::seconds next_delay{};  // after the next failure
  };

  enum class Caller : uint8_t { kAsked, kBackground };
  Status build_in_turn(CollectionImpl& collection, const IndexOptions& options, Caller caller);
  Status begin(const CollectionImpl& collection, const IndexOptions& options);
  void end();
  void run();
  // Builds what is due and ripe; returns when to look again, or nothing before the next commit.
  Clock::time_point look_around(bool writes_paused);
  Status give_up_graph_of_few(CollectionImpl& collection);
  bool is_due(const CollectionImpl& collection) const;
  bool is_ripe(const CollectionImpl& collection, const Watch& watch, bool writes_paused) const;
  void build_in_background(const std::shared_ptr<CollectionImpl>& collection, Watch& watch);

  DatabaseImpl& database_;
  std::atomic<bool> cancelled_{false};  // the build under way

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  uint32_t building_ = 0;      // a collection's number; they begin at 1
  std::set<uint32_t> banned_;  // each once: collections are dropped one at a time
  bool stopping_ = false;
  uint64_t commits_noted_ = 0;
  bool awaits_commit_ = false;

  std::thread thread_;
  std::map<uint32_t, Watch> watches_;  // the background thread's alone
};

}  // namespace roxanne::database
