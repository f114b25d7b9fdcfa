// A bounded queue and the threads that empty it: what may take long does not run where sockets are
// served.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace roxanne::server {

// A piece of work. The queue shares it with whoever waits for it.
class Job {
 public:
  virtual ~Job() = default;
  virtual void run() noexcept = 0;
};

class WorkQueue {
 public:
  struct Options {
    size_t thread_count;
    size_t jobs_max;               // that wait
    std::atomic<uint64_t>& depth;  // kept at how many do
  };
  explicit WorkQueue(const Options& options);
  ~WorkQueue();  // runs what waits, then ends

  // False where as many wait as may, or it ends. From any thread.
  bool push(std::shared_ptr<Job> job);
  // The same before all that wait, however many do: a few, and more like others.
  bool push_first(std::shared_ptr<Job> job);

 private:
  static constexpr size_t kFirstJobsMax = 8;
  bool push(std::shared_ptr<Job> job, bool may_go_first);
  size_t waiting() const { return first_jobs_.size() + jobs_.size(); }
  void work();

  const size_t jobs_max_;
  std::atomic<uint64_t>& depth_;
  std::mutex mutex_;  // guards first_jobs_, jobs_, idle_count_ and stopping_
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> first_jobs_;  // at most kFirstJobsMax
  std::deque<std::shared_ptr<Job>> jobs_;
  size_t idle_count_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace roxanne::server
