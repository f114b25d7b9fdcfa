// Lets many threads read a thing in memory, or one change it; both for moments, never across input
// or output. A reader takes its own lock alone, which nobody else touches while nothing changes.
#pragma once

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

namespace roxanne::base {

// The writer's side is lock() and unlock(), as std::lock_guard wants them.
class ReaderGate {
 public:
  // A reading thread's place; std::lock_guard locks it. One thread at a time.
  class alignas(64) Seat {
   public:
    explicit Seat(ReaderGate& gate) : gate_(gate) {
      const std::lock_guard lock(gate_.turn_);
      gate_.seats_.push_back(this);
    }
    ~Seat() {
      const std::lock_guard lock(gate_.turn_);
      std::erase(gate_.seats_, this);
    }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    void lock() {
      // A writer that waits goes first: it needs every seat, and readers come back at once.
      if (gate_.is_wanted_.load(std::memory_order_relaxed)) const std::lock_guard wait(gate_.turn_);
      mutex_.lock();
    }
    void unlock() { mutex_.unlock(); }

   private:
    friend class ReaderGate;
    ReaderGate& gate_;
    std::mutex mutex_;
  };

  void lock() {
    turn_.lock();
    is_wanted_ = true;
    for (Seat* seat : seats_) seat->mutex_.lock();
  }
  void unlock() {
    for (Seat* seat : seats_) seat->mutex_.unlock();
    is_wanted_ = false;
    turn_.unlock();
  }

 private:
  std::mutex turn_;           // guards seats_; held by the writer
  std::vector<Seat*> seats_;  // each removes itself
  std::atomic<bool> is_wanted_{false};
};

}  // namespace roxanne::base
