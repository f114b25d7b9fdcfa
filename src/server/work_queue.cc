#include "server/work_queue.h"

#include <utility>

namespace roxanne::server {

WorkQueue::WorkQueue(const Options& options) : jobs_max_(options.jobs_max), depth_(options.depth) {
  for (size_t i = 0; i < options.thread_count; ++i) threads_.emplace_back([this] { work(); });
}

WorkQueue::~WorkQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkQueue::push(std::shared_ptr<Job> job) { return push(std::move(job), false); }
bool WorkQueue::push_first(std::shared_ptr<Job> job) { return push(std::move(job), true); }

bool WorkQueue::push(std::shared_ptr<Job> job, bool may_go_first) {
  bool wakes = false;
  {
    const std::lock_guard lock(mutex_);
    const bool goes_first = may_go_first && first_jobs_.size() < kFirstJobsMax;
    if (stopping_ || (!goes_first && jobs_.size() >= jobs_max_)) return false;
    (goes_first ? first_jobs_ : jobs_).push_back(std::move(job));
    depth_.store(waiting(), std::memory_order_relaxed);
    // A thread that is about to look for work need not be woken.
    wakes = idle_count_ > 0;
  }
  if (wakes) wake_.notify_one();
  return true;
}

void WorkQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    while (waiting() == 0 && !stopping_) {
      ++idle_count_;
      wake_.wait(lock);
      --idle_count_;
    }
    if (waiting() == 0) return;
    auto& jobs = first_jobs_.empty() ? jobs_ : first_jobs_;
    std::shared_ptr<Job> job = std::move(jobs.front());
    jobs.pop_front();
    depth_.store(waiting(), std::memory_order_relaxed);
    lock.unlock();
    job->run();
    job.reset();
    lock.lock();
  }
}

}  // namespace roxanne::server
