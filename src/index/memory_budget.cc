#include "index/memory_budget.h"

#include "base/status_macros.h"

namespace roxanne::index {

bool MemoryBudget::take(uint64_t bytes) {
  uint64_t used = used_.load();
  do {
    if (bytes > limit_ || used > limit_ - bytes) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

uint64_t MemoryBudget::left() const {
  const uint64_t used = used_.load();
  return used < limit_ ? limit_ - used : 0;
}

bool MemoryReservation::resize(uint64_t bytes) {
  ROX_ASSERT(budget_ != nullptr);
  if (bytes > bytes_) {
    if (!budget_->take(bytes - bytes_)) return false;
  } else {
    budget_->give_back(bytes_ - bytes);
  }
  bytes_ = bytes;
  return true;
}

}  // namespace roxanne::index
