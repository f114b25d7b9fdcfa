// Memory that the collections of one database share: cached blocks, graphs, builds of graphs.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace roxanne::index {

// All calls may run at once.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t bytes) : limit_(bytes) {}
  // False, and nothing taken, where there is not so much left.
  bool take(uint64_t bytes);
  void give_back(uint64_t bytes) { used_ -= bytes; }
  uint64_t limit() const { return limit_; }
  // At this moment.
  uint64_t left() const;

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> used_{0};
};

// Bytes taken from a budget, given back when this ends. The budget outlives it. bytes() may run
// beside anything but the end; other calls take turns.
class MemoryReservation {
 public:
  MemoryReservation() = default;
  // Of bytes that were taken already.
  MemoryReservation(MemoryBudget& budget, uint64_t bytes) : budget_(&budget), bytes_(bytes) {}
  MemoryReservation(MemoryReservation&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_.exchange(0)) {}
  MemoryReservation& operator=(MemoryReservation&& other) noexcept {
    std::swap(budget_, other.budget_);
    bytes_ = other.bytes_.exchange(bytes_);
    return *this;
  }
  ~MemoryReservation() {
    if (budget_ != nullptr) budget_->give_back(bytes_);
  }

  uint64_t bytes() const { return bytes_; }
  // Gives back or takes the difference; false, and nothing changed, where that is not left.
  bool resize(uint64_t bytes);

 private:
  MemoryBudget* budget_ = nullptr;
  std::atomic<uint64_t> bytes_{0};
};

}  // namespace roxanne::index
