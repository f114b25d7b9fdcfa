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

uint64_t LiveSet::count_of(const Chunk& chunk) {
  uint64_t count = 0;
  if (chunk != nullptr) {
    for (const uint64_t word : *chunk) count += static_cast<uint64_t>(std::popcount(word));
  }
  return count;
}

uint64_t LiveSet::bytes_in_memory() const {
  uint64_t bytes = branches_.size() * sizeof(branches_[0]) + chunks().size() * sizeof(LiveChunk);
  for (const auto& branch : branches_) bytes += branch != nullptr ? sizeof(Branch) : 0;
  return bytes;
}

void LiveSet::set_chunks(std::span<const Change> changes) {
  if (changes.empty()) return;
  chunk_count_ = std::max(chunk_count_, changes.back().number + 1);
  branches_.resize(std::max(branches_.size(), changes.back().number / kBranchChunks + 1));
  for (size_t i = 0; i < changes.size();) {
    const size_t number = changes[i].number / kBranchChunks;
    auto branch = branches_[number] == nullptr ? std::make_shared<Branch>()
                                               : std::make_shared<Branch>(*branches_[number]);
    for (; i < changes.size() && changes[i].number / kBranchChunks == number; ++i) {
      Chunk& chunk = (*branch)[changes[i].number % kBranchChunks];
      count_ -= count_of(chunk);
      count_ += count_of(changes[i].chunk);
      chunk = changes[i].chunk;
    }
    branches_[number] = std::move(branch);
  }
}

std::vector<size_t> LiveSet::chunks() const { return changed_chunks({}, *this); }

std::vector<size_t> LiveSet::changed_chunks(const LiveSet& before, const LiveSet& after) {
  std::vector<size_t> numbers;
  const size_t branch_count = std::max(before.branches_.size(), after.branches_.size());
  for (size_t number = 0; number < branch_count; ++number) {
    const Branch* one = before.branch(number);
    const Branch* other = after.branch(number);
    if (one == other) continue;
    for (size_t i = 0; i < kBranchChunks; ++i) {
      const LiveChunk* chunk = one == nullptr ? nullptr : (*one)[i].get();
      const LiveChunk* now = other == nullptr ? nullptr : (*other)[i].get();
      if (chunk != now) numbers.push_back(number * kBranchChunks + i);
    }
  }
  return numbers;
}

LiveSet set_of_slots(std::span<const uint32_t> slots) {
  LiveSet set;
  set_slots(set, {slots.begin(), slots.end()}, true);
  return set;
}

LiveSet set_of_slots_below(uint64_t slot_end) {
  auto full = std::make_shared<LiveChunk>();
  full->fill(~uint64_t{0});
  std::vector<LiveSet::Change> chunks;
  const size_t whole = static_cast<size_t>(slot_end / kLiveChunkSlots);
  for (size_t number = 0; number < whole; ++number) chunks.push_back({number, full});
  const uint64_t rest = slot_end % kLiveChunkSlots;
  if (rest != 0) {
    chunks.push_back({whole, make_chunk([rest](size_t i) {
                        if (rest >= i * 64 + 64) return ~uint64_t{0};
                        return rest <= i * 64 ? 0 : (uint64_t{1} << (rest - i * 64)) - 1;
                      })});
  }
  LiveSet set;
  set.set_chunks(chunks);
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
  std::vector<LiveSet::Change> left;
  for (const size_t number : set.chunks()) {
    auto bits = chunk_without(set, other, number);
    if (bits != nullptr) left.push_back({number, std::move(bits)});
  }
  LiveSet result;
  result.set_chunks(left);
  return result;
}

LiveSet united(const LiveSet& a, const LiveSet& b) {
  std::vector<LiveSet::Change> changes;
  for (const size_t number : b.chunks()) {
    const uint64_t* more = b.chunk_words(number);
    const uint64_t* words = a.chunk_words(number);
    changes.push_back({number, make_chunk([&](size_t i) {
                         return words == nullptr ? more[i] : words[i] | more[i];
                       })});
  }
  LiveSet result = a;
  result.set_chunks(changes);
  return result;
}

std::vector<uint32_t> slots_of(const LiveSet& set) {
  std::vector<uint32_t> slots;
  slots.reserve(set.count());
  for (const size_t chunk : set.chunks()) {
    const uint64_t* words = set.chunk_words(chunk);
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
  std::vector<LiveSet::Change> changes;
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
    changes.push_back({number, std::move(chunk)});
  }
  set.set_chunks(changes);
}

}  // namespace roxanne::index
