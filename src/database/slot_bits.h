// A set of slots, a bit each: as many as a collection may have, where lists would take memory that
// nobody reckons with.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace roxanne::database {

// One thread at a time.
class SlotBits {
 public:
  // Does nothing where it is there.
  void add(uint32_t slot) {
    const size_t word = slot / 64;
    const uint64_t bit = uint64_t{1} << (slot % 64);
    if (word >= words_.size()) words_.resize(word + 1);
    count_ += (words_[word] & bit) == 0 ? 1 : 0;
    words_[word] |= bit;
  }
  uint64_t count() const { return count_; }

  // Takes up to so many out, the highest; ascending.
  std::vector<uint32_t> take(size_t count_max) {
    std::vector<uint32_t> slots;
    while (slots.size() < count_max && count_ > 0) {
      uint64_t& word = words_.back();
      if (word == 0) {
        words_.pop_back();
        continue;
      }
      const int bit = std::bit_width(word) - 1;
      slots.push_back(static_cast<uint32_t>(64 * (words_.size() - 1)) + static_cast<uint32_t>(bit));
      word &= ~(uint64_t{1} << bit);
      --count_;
    }
    if (count_ == 0) std::vector<uint64_t>().swap(words_);
    std::reverse(slots.begin(), slots.end());
    return slots;
  }
  std::vector<uint32_t> take_all() { return take(SIZE_MAX); }
  void clear() { *this = SlotBits(); }

 private:
  std::vector<uint64_t> words_;  // the last one may be 0
  uint64_t count_ = 0;
};

}  // namespace roxanne::database
