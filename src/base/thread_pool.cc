#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>

namespace roxanne::base {

// Shared by the caller and the helpers that took a lane: whichever ends last frees it.
struct ThreadPool::Job {
  const std::function<void(size_t)>* work = nullptr;
  size_t lane_count = 0;
  size_t lanes_begun = 1;  // lane 0 is the caller's
  size_t lanes_running = 0;
  std::condition_variable done;
};

ThreadPool::ThreadPool(size_t thread_count) {
  for (size_t i = 0; i < thread_count; ++i) threads_.emplace_back([this] { help(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run(size_t lane_count, const std::function<void(size_t)>& work) {
  if (lane_count <= 1 || threads_.empty()) {
    work(0);
    return;
  }
  auto job = std::make_shared<Job>();
  job->work = &work;
  job->lane_count = lane_count;
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(job);
  }
  wake_.notify_all();
  work(0);

  std::unique_lock lock(mutex_);
  jobs_.erase(std::remove(jobs_.begin(), jobs_.end(), job), jobs_.end());
  job->done.wait(lock, [&] { return job->lanes_running == 0; });
}

void ThreadPool::help() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const std::shared_ptr<Job> job = jobs_.front();
    const size_t lane = job->lanes_begun++;
    ++job->lanes_running;
    if (job->lanes_begun >= job->lane_count) jobs_.pop_front();
    lock.unlock();
    (*job->work)(lane);
    lock.lock();
    if (--job->lanes_running == 0) job->done.notify_all();
  }
}

size_t processor_count() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace roxanne::base
