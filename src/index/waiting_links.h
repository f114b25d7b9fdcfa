// Edges back to new nodes that would cost a page more to be written: they wait until their page is
// written anyway. Lost with the process, which costs no more than an edge is worth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace roxanne::index {

class WaitingLinks {
 public:
  struct Link {
    uint32_t to;     // slot
    float distance;  // between the two, in the link space
  };

  // As many as fit `bytes`, at least one; all of that memory is taken at once.
  explicit WaitingLinks(uint64_t bytes);

  // Where it is full nothing is added.
  bool is_full() const { return free_ == kNone; }
  void add(uint32_t from, const Link& link);
  // All that wait for a slot's page to be written. They wait no more.
  std::vector<Link> take(uint32_t from);
  // What take() looks at first, and then: both are far from each other in memory.
  void prefetch(uint32_t from) const { __builtin_prefetch(&first_[chain_of(from)]); }
  void prefetch_first(uint32_t from) const;
  // Slots that are gone: others may come there.
  void forget(std::span<const uint32_t> slots);

  size_t count() const { return count_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Entry {
    uint32_t from = kNone;  // where it is free
    Link link{};
    uint32_t next = kNone;  // in its chain, or of those that are free
  };
  size_t chain_of(uint32_t from) const {
    // Fibonacci hashing: neighbouring slots are the usual case.
    const uint64_t hash = (from * 0x9e3779b97f4a7c15ull) >> 32;
    return (hash * first_.size()) >> 32;
  }
  // Frees those of a chain that `is_wanted`, which hears of each once.
  template <typename IsWanted>
  void free_where(uint32_t& first, const IsWanted& is_wanted);

  std::vector<Entry> entries_;
  std::vector<uint32_t> first_;  // of each chain: a hash table with as many as there are entries
  uint32_t free_ = kNone;
  size_t count_ = 0;
};

}  // namespace roxanne::index
