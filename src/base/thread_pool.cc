#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>

#include "base/background.h"

namespace roxanne::base {

// Shared by the caller and the helpers that took a lane: whichever ends last frees it.
struct ThreadPool::Job {
  const std::function<void(size_t)>* work = nullptr;
  size_t lane_count = 0;
  size_t lanes_begun = 1;  // lane 0 is the caller's
  size_t lanes_running = 0;
  std::condition_variable done;
};

ThreadPool::ThreadPool(size_t thread_count, size_t background_count) {
  auto& [usual, background] = crews_;
  for (size_t i = 0; i < thread_count; ++i) {
    usual.threads.emplace_back([this, &crew = usual] { help(crew); });
  }
  for (size_t i = 0; i < background_count; ++i) {
    background.threads.emplace_back([this, &crew = background] {
      enter_background();
      help(crew);
    });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (Crew& crew : crews_) {
    crew.wake.notify_all();
    for (std::thread& thread : crew.threads) thread.join();
  }
}

void ThreadPool::run(size_t lane_count, const std::function<void(size_t)>& work) {
  Crew& crew = crews_[in_background() ? 1 : 0];
  if (lane_count <= 1 || crew.threads.empty()) {
    work(0);
    return;
  }
  auto job = std::make_shared<Job>();
  job->work = &work;
  job->lane_count = lane_count;
  {
    std::lock_guard lock(mutex_);
    crew.jobs.push_back(job);
  }
  crew.wake.notify_all();
  work(0);

  std::unique_lock lock(mutex_);
  crew.jobs.erase(std::remove(crew.jobs.begin(), crew.jobs.end(), job), crew.jobs.end());
  job->done.wait(lock, [&] { return job->lanes_running == 0; });
}

void ThreadPool::help(Crew& crew) {
  std::unique_lock lock(mutex_);
  while (true) {
    crew.wake.wait(lock, [&] { return stopping_ || !crew.jobs.empty(); });
    if (stopping_) return;
    const std::shared_ptr<Job> job = crew.jobs.front();
    const size_t lane = job->lanes_begun++;
    ++job->lanes_running;
    if (job->lanes_begun >= job->lane_count) crew.jobs.pop_front();
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
