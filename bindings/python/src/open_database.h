// A database that Python holds: closed once, while no call runs, and never by a forked child.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "errors.h"

namespace roxanne::python {

// A scan that is open; closing the database ends it first.
struct OpenScan {
  std::mutex mutex;  // guards scan: one thread at a time
  std::optional<PointScan> scan;
};

class OpenDatabase {
 public:
  explicit OpenDatabase(Database database);
  // Closes; in a forked child, whose copy has no threads and is not its to close, it leaves all as
  // it is.
  ~OpenDatabase();

  // While one lives, the database is not closed. Made without the GIL: close() may be running.
  // Throws PlainError where the database is closed, or was opened before this process was forked.
  class Use {
   public:
    explicit Use(OpenDatabase& owner);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    Database& operator*() const { return *owner_.database_; }
    Database* operator->() const { return &*owner_.database_; }

   private:
    OpenDatabase& owner_;
    std::shared_lock<std::shared_mutex> lock_;
  };

  // Waits for running calls; those that come from now on find it closed. Doing it twice is no
  // error.
  void close();
  bool was_forked() const;
  // Throws PlainError in a forked child.
  void check_process() const;

  std::shared_ptr<OpenScan> keep(PointScan scan);
  // Ends a scan that was kept, unless close() has; not while that runs.
  void let_go(std::shared_ptr<OpenScan> scan);

 private:
  // Throws PlainError once close() has begun.
  void check_open() const;

  std::shared_mutex mutex_;  // guards database_; held shared by each Use
  std::optional<Database> database_;
  // Set before close() waits for mutex_: a lock that lets readers pass would let calls that keep
  // coming put it off for ever.
  std::atomic<bool> is_closing_{false};
  std::mutex scans_mutex_;  // guards scans_
  std::vector<std::weak_ptr<OpenScan>> scans_;
  const unsigned forks_;  // of this process and its parents when it was opened
};

// While one lives, close() by its thread is an error: that thread waits for a call's end.
class WaitsForCall {
 public:
  WaitsForCall();
  ~WaitsForCall();
  WaitsForCall(const WaitsForCall&) = delete;
  WaitsForCall& operator=(const WaitsForCall&) = delete;
};

// Counts forks from now on.
void watch_forks();
// Throws PlainError where a process that this one was forked from has opened a database: the
// engine's threads are that one's, and nothing may be opened or waited for here.
void check_may_open();

}  // namespace roxanne::python
