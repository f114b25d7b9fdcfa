// A shared mutex under which a waiting writer is next, however many readers come and go.
#pragma once

#include <mutex>
#include <shared_mutex>

namespace roxanne::base {

// Not recursive, not even for readers. For std::unique_lock and std::shared_lock.
class FairSharedMutex {
 public:
  void lock() {
    std::lock_guard gate(gate_);  // readers that come now wait here
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }
  void lock_shared() {
    std::lock_guard gate(gate_);
    mutex_.lock_shared();
  }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  std::mutex gate_;  // held while waiting for mutex_
  std::shared_mutex mutex_;
};

}  // namespace roxanne::base
