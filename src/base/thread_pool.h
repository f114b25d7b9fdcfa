// Threads that many searches share: each caller works on its own job and is helped where threads
// are idle, so no job waits for another to end.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace roxanne::base {

class ThreadPool {
 public:
  // `thread_count` helpers; 0 is fine: callers then work alone. Callers in the background
  // (base/background.h) are helped by as many as `background_count` says, which are in it, too.
  explicit ThreadPool(size_t thread_count, size_t background_count = 0);
  ~ThreadPool();  // no run() may be under way

  // Calls `work(lane)` on the caller with lane 0 and, as helpers come free, with other lanes below
  // `lane_count`, each at most once. Returns when every call that began has ended; a lane that no
  // helper took is not called. So `work` must take its pieces from a shared counter.
  void run(size_t lane_count, const std::function<void(size_t)>& work);

  // Of the usual priority.
  size_t thread_count() const { return crews_.front().threads.size(); }

 private:
  struct Job;
  // Helpers of one priority.
  struct Crew {
    std::condition_variable wake;
    std::deque<std::shared_ptr<Job>> jobs;
    std::vector<std::thread> threads;
  };
  void help(Crew& crew);

  std::mutex mutex_;  // guards all jobs, stopping_ and every Job's counters
  bool stopping_ = false;
  std::array<Crew, 2> crews_;  // the second is in the background
};

// Processors this process may run on.
size_t processor_count();

}  // namespace roxanne::base
