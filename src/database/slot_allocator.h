// Which slots of a collection may be written. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/live_set.h"

namespace roxanne::database {

class SlotAllocator {
 public:
  // Every slot in `live` is taken. Those below `slots_in_file` that are not are free: another
  // process may still read the points that were there.
  explicit SlotAllocator(const index::LiveSet& live, uint64_t slots_in_file = 0);

  // Takes `count` slots, ascending. With `reuse`, freed ones first; else only ones that were never
  // taken since open. Fewer than `count` where the collection is full.
  std::vector<uint32_t> take(size_t count, bool reuse);
  // Takes up to `count` freed slots below `slot_end`, ascending.
  std::vector<uint32_t> take_below(size_t count, uint64_t slot_end);
  void give_back(const std::vector<uint32_t>& slots);

  // Lets end() sink to one past the highest slot that is taken: free ones from there on count as
  // never taken.
  void lower_end();
  bool any_taken(uint64_t first_slot, uint64_t count) const;  // both multiples of 64

  // One past the highest slot ever taken.
  uint64_t end() const { return end_; }
  uint64_t free_count() const { return free_count_; }

 private:
  bool is_taken(uint64_t slot) const { return ((taken_[slot / 64] >> (slot % 64)) & 1) != 0; }
  void mark(uint64_t slot);

  std::vector<uint64_t> taken_;  // bit set = live, being written, or freed but still visible
  uint64_t end_ = 0;
  uint64_t free_count_ = 0;  // clear bits below end_
  uint64_t hint_ = 0;        // no clear bit below it
};

}  // namespace roxanne::database
