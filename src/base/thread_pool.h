// Threads that many searches share: each caller works on its own job and is helped where threads
// are idle, so no job waits for another to end.
#pragma once

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
  // `thread_count` helpers; 0 is fine: callers then work alone.
  explicit ThreadPool(size_t thread_count);
  ~ThreadPool();  // no run() may be under way

  // Calls `work(lane)` on the caller with lane 0 and, as helpers come free, with other lanes below
  // `lane_count`, each at most once. Returns when every call that began has ended; a lane that no
  // helper took is not called. So `work` must take its pieces from a shared counter.
  void run(size_t lane_count, const std::function<void(size_t)>& work);

  size_t thread_count() const { return threads_.size(); }

 private:
  struct Job;
  void help();

  std::mutex mutex_;  // guards jobs_, stopping_ and every Job's counters
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Processors this process may run on.
size_t processor_count();

}  // namespace roxanne::base
