// When a slot that was freed may be written again: not before its end is durable, no reader sees
// the point that was there, and no graph names it. One thread at a time, the committing one.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "database/slot_allocator.h"
#include "database/slot_bits.h"
#include "index/live_set.h"

namespace roxanne::database {

class SlotKeeper {
 public:
  // `named` are the slots that the graph in the store names, or might. Those of them that are not
  // in `live` rest.
  SlotKeeper(const index::LiveSet& live, index::LiveSet named, uint64_t slots_in_file);

  std::vector<uint32_t> take(size_t count, bool reuse) { return allocator_.take(count, reuse); }
  // That were taken and not written.
  void give_back(const std::vector<uint32_t>& slots) { allocator_.give_back(slots); }
  // See SlotAllocator.
  std::vector<uint32_t> take_below(size_t count, uint64_t slot_end) {
    return allocator_.take_below(count, slot_end);
  }
  bool any_taken(uint64_t first, uint64_t count) const {
    return allocator_.any_taken(first, count);
  }
  void lower_end() { allocator_.lower_end(); }
  bool has_free() const { return allocator_.free_count() > 0; }
  uint64_t end() const { return allocator_.end(); }

  // Commit number `commit` freed `slots`; `last_seen_by` is the version before it. Each version
  // that is replaced comes here, so that slots wait for readers of all versions before it. Keeps
  // D5.
  void free(std::weak_ptr<const void> last_seen_by, uint64_t commit, std::vector<uint32_t> slots);
  void release(uint64_t synced_commits);

  // The store names another graph, or none, durably: what only an earlier one named is free.
  void set_named(index::LiveSet named);

  // `live` was mended. Versions with slots that are free now may still be read: only those that
  // were never taken are written before the next open.
  void start_anew(const index::LiveSet& live, uint64_t slots_in_file);

  // --- Of a graph that changes in place. Keeps D8.
  // Up to `count_max` slots of its dead nodes that nobody sees any more, for the caller to take out
  // of the graph; note_changed() has all of them again.
  std::vector<uint32_t> take_dead(size_t count_max);
  // It names `named` now: `added` may have come, `removed` gone. What has gone goes on resting:
  // after a crash the graph names it again.
  void note_changed(const index::LiveSet& named, std::span<const uint32_t> added,
                    std::span<const uint32_t> removed);
  // What it names now, it names after a crash.
  void note_durable();

  // Slots of dead nodes that wait to be taken out, and those that wait for the graph to be durable
  // without them. These two from any thread.
  uint64_t dead_count() const { return dead_count_; }
  uint64_t vacated_count() const { return vacated_count_; }

 private:
  void rest_or_give_back(const std::vector<uint32_t>& slots);
  void count();

  SlotAllocator allocator_;
  struct Freed {
    std::weak_ptr<const void> last_seen_by;
    uint64_t commit;
    std::vector<uint32_t> slots;
  };
  std::deque<Freed> freed_;  // one entry a version, oldest first
  index::LiveSet named_;     // by the graph of now, or the one after a crash
  SlotBits dead_;
  SlotBits vacated_;
  std::atomic<uint64_t> dead_count_{0};
  std::atomic<uint64_t> vacated_count_{0};
};

}  // namespace roxanne::database
