// Which slots hold live points, as an immutable bitmap in shared pieces: a new version copies only
// the pieces that a commit touched, so a search keeps its version for as long as it likes.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace roxanne::index {

inline constexpr uint32_t kLiveChunkSlots = 2048;
using LiveChunk = std::array<uint64_t, kLiveChunkSlots / 64>;

class LiveSet {
 public:
  bool contains(uint32_t slot) const {
    const uint64_t* words = chunk_words(slot / kLiveChunkSlots);
    const uint32_t bit = slot % kLiveChunkSlots;
    return words != nullptr && ((words[bit / 64] >> (bit % 64)) & 1) != 0;
  }

  // The words of a chunk, bit 0 first; null where no slot of it was ever live.
  const uint64_t* chunk_words(size_t chunk) const {
    return chunk < chunks_.size() && chunks_[chunk] != nullptr ? chunks_[chunk]->data() : nullptr;
  }
  // The words from `slot` on, a multiple of 64, to its chunk's end; null as above.
  const uint64_t* words_from(uint64_t slot) const {
    const uint64_t* words = chunk_words(slot / kLiveChunkSlots);
    return words == nullptr ? nullptr : words + slot % kLiveChunkSlots / 64;
  }

  size_t chunk_count() const { return chunks_.size(); }
  uint64_t count() const { return count_; }
  // One past the last chunk's last slot: no live slot is at or above it.
  uint64_t slot_end() const { return static_cast<uint64_t>(chunks_.size()) * kLiveChunkSlots; }

  // Chunks that other sets share counted in full.
  uint64_t bytes_in_memory() const {
    uint64_t bytes = chunks_.size() * sizeof(chunks_[0]);
    for (const auto& chunk : chunks_) bytes += chunk != nullptr ? sizeof(LiveChunk) : 0;
    return bytes;
  }

  // Replaces a chunk; null = nothing live in it.
  void set_chunk(size_t chunk, std::shared_ptr<const LiveChunk> bits) {
    if (chunk >= chunks_.size()) chunks_.resize(chunk + 1);
    count_ -= count_of(chunks_[chunk]);
    count_ += count_of(bits);
    chunks_[chunk] = std::move(bits);
  }

 private:
  static uint64_t count_of(const std::shared_ptr<const LiveChunk>& chunk) {
    uint64_t count = 0;
    if (chunk != nullptr) {
      for (const uint64_t word : *chunk) count += std::popcount(word);
    }
    return count;
  }

  // Shared by the versions between which a chunk did not change.
  std::vector<std::shared_ptr<const LiveChunk>> chunks_;
  uint64_t count_ = 0;
};

// `slots` ascend.
LiveSet set_of_slots(std::span<const uint32_t> slots);
LiveSet set_of_slots_below(uint64_t slot_end);
// What is in `set` and not in `other`; of one chunk (null = nothing), of all.
std::shared_ptr<const LiveChunk> chunk_without(const LiveSet& set, const LiveSet& other,
                                               size_t chunk);
LiveSet without(const LiveSet& set, const LiveSet& other);
LiveSet united(const LiveSet& a, const LiveSet& b);
std::vector<uint32_t> slots_of(const LiveSet& set);  // ascending
// `slots`, in any order, are in the set afterwards, or are not. Each of its pieces that this
// touches is copied once.
void set_slots(LiveSet& set, std::vector<uint32_t> slots, bool are_in);

}  // namespace roxanne::index
