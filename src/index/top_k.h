// The k smallest of a stream, by (score, id).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace roxanne::index {

// Score is int32_t where vectors are integers (exact), else float.
template <typename Score>
class TopK {
 public:
  struct Entry {
    Score score;
    uint64_t id;
    uint64_t tag;
    // Ties break on id so that answers do not depend on threads or batches.
    bool operator<(const Entry& other) const {
      return score != other.score ? score < other.score : id < other.id;
    }
  };

  explicit TopK(size_t k) : k_(k) {}

  // A row with a score above this cannot enter; one equal to it may, by its id.
  Score bound() const { return bound_; }

  void push(Score score, uint64_t id, uint64_t tag) {
    const Entry entry{score, id, tag};
    if (heap_.size() < k_) {
      heap_.push_back(entry);
      std::push_heap(heap_.begin(), heap_.end());
    } else if (entry < heap_.front()) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = entry;
      std::push_heap(heap_.begin(), heap_.end());
    } else {
      return;
    }
    if (heap_.size() == k_) bound_ = heap_.front().score;
  }

  void merge(const TopK& other) {
    for (const Entry& entry : other.heap_) push(entry.score, entry.id, entry.tag);
  }

  // Nearest first; empties the heap.
  std::vector<Entry> take_sorted() {
    std::sort_heap(heap_.begin(), heap_.end());
    return std::move(heap_);
  }

 private:
  size_t k_;
  Score bound_ = std::numeric_limits<Score>::max();
  std::vector<Entry> heap_;  // worst in front
};

}  // namespace roxanne::index
