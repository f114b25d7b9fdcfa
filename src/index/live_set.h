// Which slots hold live points, as an immutable bitmap in shared pieces: a new version copies only
// the pieces that a commit touched, so a search keeps its version for as long as it likes.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace roxanne::index {

inline constexpr uint32_t kLiveChunkSlots = 2048;
using LiveChunk = std::array<uint64_t, kLiveChunkSlots / 64>;

// Chunks hang on branches, which versions share as they share chunks: a copy takes a pointer for
// every branch (131,072 slots), and a change of it copies the branches that it touches.
class LiveSet {
 public:
  using Chunk = std::shared_ptr<const LiveChunk>;  // null where nothing of it is live

  bool contains(uint32_t slot) const {
    const uint64_t* words = chunk_words(slot / kLiveChunkSlots);
    const uint32_t bit = slot % kLiveChunkSlots;
    return words != nullptr && ((words[bit / 64] >> (bit % 64)) & 1) != 0;
  }

  // The words of a chunk, bit 0 first; null where no slot of it was ever live.
  const uint64_t* chunk_words(size_t chunk) const {
    const Branch* const found = branch(chunk / kBranchChunks);
    if (found == nullptr) return nullptr;
    const Chunk& words = (*found)[chunk % kBranchChunks];
    return words == nullptr ? nullptr : words->data();
  }
  // The words from `slot` on, a multiple of 64, to its chunk's end; null as above.
  const uint64_t* words_from(uint64_t slot) const {
    const uint64_t* words = chunk_words(slot / kLiveChunkSlots);
    return words == nullptr ? nullptr : words + slot % kLiveChunkSlots / 64;
  }

  size_t chunk_count() const { return chunk_count_; }
  uint64_t count() const { return count_; }
  // One past the last chunk's last slot: no live slot is at or above it.
  uint64_t slot_end() const { return static_cast<uint64_t>(chunk_count_) * kLiveChunkSlots; }

  // What other sets share counted in full.
  uint64_t bytes_in_memory() const;

  struct Change {
    size_t number;
    Chunk chunk;
  };
  // Replaces chunks, whose numbers ascend: each branch is copied once.
  void set_chunks(std::span<const Change> changes);

  // The numbers, ascending, of the chunks that are there (so of all with a live slot), and of those
  // that are not the same chunk in both sets.
  std::vector<size_t> chunks() const;
  static std::vector<size_t> changed_chunks(const LiveSet& before, const LiveSet& after);

 private:
  static constexpr size_t kBranchChunks = 64;
  using Branch = std::array<Chunk, kBranchChunks>;

  static uint64_t count_of(const Chunk& chunk);
  const Branch* branch(size_t number) const {
    return number < branches_.size() ? branches_[number].get() : nullptr;
  }

  // Never changed once they are here.
  std::vector<std::shared_ptr<const Branch>> branches_;
  size_t chunk_count_ = 0;
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
