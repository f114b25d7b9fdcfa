#include "database/slot_keeper.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace roxanne::database {
SlotKeeper::SlotKeeper(const index::LiveSet& live, index::LiveSet named, uint64_t slots_in_file)
    : allocator_(index::united(live, named), slots_in_file), named_(std::move(named)) {
  for (const uint32_t slot : index::slots_of(index::without(named_, live))) dead_.add(slot);
  count();
}

void SlotKeeper::free(std::weak_ptr<const void> last_seen_by, uint64_t commit,
                      std::vector<uint32_t> slots) {
  freed_.push_back({std::move(last_seen_by), commit, std::move(slots)});
}

void SlotKeeper::release(uint64_t synced_commits) {
  while (!freed_.empty() && freed_.front().last_seen_by.expired() &&
         freed_.front().commit <= synced_commits) {
    rest_or_give_back(freed_.front().slots);
    freed_.pop_front();
  }
}

void SlotKeeper::rest_or_give_back(const std::vector<uint32_t>& slots) {
  if (slots.empty()) return;
  std::vector<uint32_t> free;
  for (const uint32_t slot : slots) {
    if (named_.contains(slot)) {
      dead_.add(slot);
    } else {
      free.push_back(slot);
    }
  }
  allocator_.give_back(free);
  count();
}

void SlotKeeper::count() {
  dead_count_ = dead_.count();
  vacated_count_ = vacated_.count();
}

void SlotKeeper::set_named(index::LiveSet named) {
  named_ = std::move(named);
  for (const uint32_t slot : vacated_.take_all()) dead_.add(slot);
  rest_or_give_back(dead_.take_all());
  count();
}

void SlotKeeper::start_anew(const index::LiveSet& live, uint64_t slots_in_file) {
  freed_.clear();
  dead_.clear();
  vacated_.clear();
  allocator_ = SlotAllocator(live, slots_in_file);
  (void)allocator_.take(allocator_.free_count(), true);
  count();
}

std::vector<uint32_t> SlotKeeper::take_dead(size_t count_max) {
  std::vector<uint32_t> taken = dead_.take(count_max);
  count();
  return taken;
}

void SlotKeeper::note_changed(const index::LiveSet& named, std::span<const uint32_t> added,
                              std::span<const uint32_t> removed) {
  std::vector<uint32_t> in;
  std::copy_if(added.begin(), added.end(), std::back_inserter(in),
               [&named](uint32_t slot) { return named.contains(slot); });
  index::set_slots(named_, std::move(in), true);
  for (const uint32_t slot : removed) (named.contains(slot) ? dead_ : vacated_).add(slot);
  count();
}

void SlotKeeper::note_durable() {
  const std::vector<uint32_t> vacated = vacated_.take_all();
  index::set_slots(named_, vacated, false);
  allocator_.give_back(vacated);
  count();
}

}  // namespace roxanne::database
