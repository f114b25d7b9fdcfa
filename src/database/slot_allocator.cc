#include "database/slot_allocator.h"

#include <algorithm>
#include <bit>

#include "roxanne/types.h"

namespace roxanne::database {

SlotAllocator::SlotAllocator(const index::LiveSet& live, uint64_t slots_in_file) {
  taken_.resize(live.slot_end() / 64);
  for (size_t chunk = 0; chunk < live.chunk_count(); ++chunk) {
    const uint64_t* words = live.chunk_words(chunk);
    if (words == nullptr) continue;
    std::copy_n(words, index::kLiveChunkSlots / 64,
                taken_.begin() + static_cast<ptrdiff_t>(chunk * (index::kLiveChunkSlots / 64)));
  }
  size_t last = taken_.size();
  while (last > 0 && taken_[last - 1] == 0) --last;
  taken_.resize(last);
  if (last > 0) end_ = last * 64 - static_cast<uint64_t>(std::countl_zero(taken_[last - 1]));
  end_ = std::max(end_, std::min(slots_in_file, kCollectionPointsMax));
  taken_.resize((end_ + 63) / 64);
  free_count_ = end_ - live.count();
}

std::vector<uint32_t> SlotAllocator::take(size_t count, bool reuse) {
  std::vector<uint32_t> slots;
  if (reuse) slots = take_below(count, end_);
  while (slots.size() < count && end_ < kCollectionPointsMax) {
    slots.push_back(static_cast<uint32_t>(end_));
    if (end_ / 64 >= taken_.size()) taken_.push_back(0);
    mark(end_++);
  }
  return slots;
}

std::vector<uint32_t> SlotAllocator::take_below(size_t count, uint64_t slot_end) {
  std::vector<uint32_t> slots;
  while (free_count_ > 0 && slots.size() < count) {
    while (taken_[hint_ / 64] == ~uint64_t{0}) hint_ = hint_ / 64 * 64 + 64;
    while (is_taken(hint_)) ++hint_;
    if (hint_ >= slot_end) break;
    slots.push_back(static_cast<uint32_t>(hint_));
    mark(hint_);
    --free_count_;
  }
  return slots;
}

void SlotAllocator::lower_end() {
  size_t last = taken_.size();
  while (last > 0 && taken_[last - 1] == 0) --last;
  const uint64_t end =
      last == 0 ? 0 : last * 64 - static_cast<uint64_t>(std::countl_zero(taken_[last - 1]));
  free_count_ -= end_ - end;
  end_ = end;
  taken_.resize(last);
  hint_ = std::min(hint_, end_);
}

bool SlotAllocator::any_taken(uint64_t first_slot, uint64_t count) const {
  const size_t first = std::min<size_t>(taken_.size(), first_slot / 64);
  const size_t end = std::min<size_t>(taken_.size(), (first_slot + count) / 64);
  return std::any_of(taken_.begin() + static_cast<ptrdiff_t>(first),
                     taken_.begin() + static_cast<ptrdiff_t>(end),
                     [](uint64_t word) { return word != 0; });
}

void SlotAllocator::give_back(const std::vector<uint32_t>& slots) {
  for (const uint32_t slot : slots) {
    taken_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
    hint_ = std::min<uint64_t>(hint_, slot);
  }
  free_count_ += slots.size();
}

void SlotAllocator::mark(uint64_t slot) { taken_[slot / 64] |= uint64_t{1} << (slot % 64); }

}  // namespace roxanne::database
