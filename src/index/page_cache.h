// Pages of a disk graph that stay in memory, shared by all its searches; numbered by their place in
// the file, where bytes do not change while anybody may read them.
//
// A page is admitted when it is asked for the second time within a while: most pages of a search
// are never wanted again, and would push out those that are (2Q, Johnson and Shasha, VLDB 1994,
// with a table of stamps for its first queue). Among admitted pages the clock chooses.
//
// Bytes are copied while no lock is held: a thread that changes the graph at a low priority may be
// pushed aside at any moment, and a search that waits for its lock would wait for its turn.
//
// It grows and shrinks in use: a graph that changes grows beyond the cache that it was opened with.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "index/number_set.h"

namespace roxanne::index {

// All calls may run at once.
class PageCache {
 public:
  // Of no page yet.
  explicit PageCache(uint32_t page_bytes);

  // About as many pages as fit `bytes`, never more. What comes is added; what goes is what came
  // last, with the pages it holds. One call at a time, others may run.
  void resize(uint64_t bytes);
  uint64_t bytes() const { return bytes_; }
  // What so many pages take.
  uint64_t bytes_of(uint64_t pages) const;

  // Who wants a page. Changes to the graph pass through all of it in turn, at many pages a point:
  // they would push out what searches want, and come back to a page when it is gone. So they use
  // what is here, fill what is vacant, and change nothing else.
  enum class Reader : uint8_t { kSearch, kChange };

  bool contains(uint32_t page);
  // Copies the page to `out` where it is here.
  bool find(uint32_t page, std::span<std::byte> out, Reader reader = Reader::kSearch);
  // Tells of a page that was read, and checked.
  void offer(uint32_t page, std::span<const std::byte> bytes, Reader reader = Reader::kSearch);
  // What a page holds will be at `next`, with new bytes. Before anybody asks for that it may come
  // in beside, where there is room; once nobody new asks for the other it stays here, as used as
  // it was, if it was here.
  void begin_move(uint32_t page, uint32_t next, std::span<const std::byte> bytes);
  void end_move(uint32_t page, uint32_t next, std::span<const std::byte> bytes);
  // A page has new bytes.
  void drop(uint32_t page);

 private:
  static constexpr size_t kShards = 16;
  // Memory of a page. Who copies from it or to it counts itself, so that it is neither filled
  // anew nor given back meanwhile; counted up under the shard's mutex alone.
  struct Place {
    std::byte* bytes = nullptr;
    std::atomic<uint32_t>* copying = nullptr;
    bool is_free() const { return copying->load(std::memory_order_acquire) == 0; }
  };
  struct Shard {
    std::mutex mutex;               // guards all below
    NumberMap<uint32_t> places;     // by page
    std::vector<Place> memory;      // by place
    std::vector<uint32_t> page_of;  // by place
    std::vector<bool> was_used;     // since the clock's hand passed
    std::vector<uint32_t> asked;    // pages asked for once, by hash
    std::vector<uint32_t> vacant;   // places whose page has gone
    size_t used = 0;                // places that ever held one
    size_t hand = 0;
  };
  Shard& shard_of(uint32_t page) { return shards_[page % kShards]; }
  static bool is_full(const Shard& shard) {
    return shard.used == shard.memory.size() && shard.vacant.empty();
  }
  // Memory of every shard's newest places.
  struct Part {
    base::AlignedBuffer memory;  // one for all: large buffers are rounded up to huge pages
    std::unique_ptr<std::atomic<uint32_t>[]> copying;
    size_t pages_per_shard = 0;
  };
  void add_part(size_t pages_per_shard);
  void take_part_out();
  // A place that is to be filled. Its page is known once put() says so.
  struct Filling {
    uint32_t place = 0;
    Place memory;
  };
  std::optional<Filling> begin_filling(Shard& shard, Reader reader);
  void put(Shard& shard, const Filling& filling, uint32_t page, std::span<const std::byte> bytes,
           bool was_used);
  // Whether it is here, and was used since the hand passed.
  struct Use {
    bool is_here = false;
    bool was_used = false;
  };
  Use use_of(uint32_t page);
  void forget(Shard& shard, uint32_t page);
  std::optional<size_t> take_place(Shard& shard, Reader reader);

  const uint32_t page_bytes_;
  std::atomic<uint64_t> bytes_{0};
  std::vector<Part> parts_;  // resize()'s own
  std::vector<Shard> shards_;
};

}  // namespace roxanne::index
