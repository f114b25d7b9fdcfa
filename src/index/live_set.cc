#include "index/live_set.h"

#include <algorithm>

namespace roxanne::index {
namespace {

// Builds one chunk word by word; null where no bit is set.
template <typename WordAt>
std::shared_ptr<const LiveChunk> make_chunk(WordAt word_at) {
  auto chunk = std::make_shared<LiveChunk>();
  uint64_t any = 0;
  for (size_t i = 0; i < chunk->size(); ++i) any |= (*chunk)[i] = word_at(i);
  if (any == 0) return nullptr;
  return chunk;
}

}  // namespace

LiveSet set_of_slots(std::span<const uint32_t> slots) {
  LiveSet set;
  set_slots(set, {slots.begin(), slots.end()}, true);
  return set;
}

LiveSet set_of_slots_below(uint64_t slot_end) {
  LiveSet set;
  auto full = std::make_shared<LiveChunk>();
  full->fill(~uint64_t{0});
  const size_t whole = static_cast<size_t>(slot_end / kLiveChunkSlots);
  for (size_t number = 0; number < whole; ++number) set.set_chunk(number, full);
  const uint64_t rest = slot_end % kLiveChunkSlots;
  if (rest == 0) return set;
  set.set_chunk(whole, make_chunk([rest](size_t i) {
                  if (rest >= i * 64 + 64) return ~uint64_t{0};
                  return rest <= i * 64 ? 0 : (uint64_t{1} << (rest - i * 64)) - 1;
                }));
  return set;
}

std::shared_ptr<const LiveChunk> chunk_without(const LiveSet& set, const LiveSet& other,
                                               size_t chunk) {
  const uint64_t* words = set.chunk_words(chunk);
  if (words == nullptr) return nullptr;
  const uint64_t* others = other.chunk_words(chunk);
  return make_chunk([&](size_t i) { return others == nullptr ? words[i] : words[i] & ~others[i]; });
}

LiveSet without(const LiveSet& set, const LiveSet& other) {
  LiveSet result;
  for (size_t chunk = 0; chunk < set.chunk_count(); ++chunk) {
    auto bits = chunk_without(set, other, chunk);
    if (bits != nullptr) result.set_chunk(chunk, std::move(bits));
  }
  return result;
}

LiveSet united(const LiveSet& a, const LiveSet& b) {
  LiveSet result = a;
  for (size_t chunk = 0; chunk < b.chunk_count(); ++chunk) {
    const uint64_t* more = b.chunk_words(chunk);
    if (more == nullptr) continue;
    const uint64_t* words = a.chunk_words(chunk);
    result.set_chunk(chunk, make_chunk([&](size_t i) {
                       return words == nullptr ? more[i] : words[i] | more[i];
                     }));
  }
  return result;
}

std::vector<uint32_t> slots_of(const LiveSet& set) {
  std::vector<uint32_t> slots;
  slots.reserve(set.count());
  for (size_t chunk = 0; chunk < set.chunk_count(); ++chunk) {
    const uint64_t* words = set.chunk_words(chunk);
    if (words == nullptr) continue;
    for (size_t i = 0; i < kLiveChunkSlots / 64; ++i) {
      for (uint64_t word = words[i]; word != 0; word &= word - 1) {
        slots.push_back(static_cast<uint32_t>(chunk * kLiveChunkSlots + i * 64 +
                                              static_cast<size_t>(std::countr_zero(word))));
      }
    }
  }
  return slots;
}

void set_slots(LiveSet& set, std::vector<uint32_t> slots, bool are_in) {
  std::sort(slots.begin(), slots.end());
  for (size_t i = 0; i < slots.size();) {
    const size_t number = slots[i] / kLiveChunkSlots;
    auto chunk = std::make_shared<LiveChunk>();
    chunk->fill(0);
    const uint64_t* words = set.chunk_words(number);
    if (words != nullptr) std::copy_n(words, chunk->size(), chunk->begin());
    for (; i < slots.size() && slots[i] / kLiveChunkSlots == number; ++i) {
      const uint32_t bit = slots[i] % kLiveChunkSlots;
      const uint64_t mask = uint64_t{1} << (bit % 64);
      uint64_t& word = (*chunk)[bit / 64];
      word = are_in ? word | mask : word & ~mask;
    }
    set.set_chunk(number, std::move(chunk));
  }
}

}  // namespace roxanne::index
