// A collection's vectors: on disk in a RowFile, in memory as far as the budget goes, scanned from
// both.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/fair_shared_mutex.h"
#include "base/thread_pool.h"
#include "index/exact_scan.h"
#include "index/live_set.h"
#include "index/memory_budget.h"
#include "roxanne/options.h"
#include "roxanne/status.h"
#include "storage/row_file.h"

namespace roxanne::index {

// Gives the newest live set; it stays as it is while held.
using LatestLiveSet = std::function<std::shared_ptr<const LiveSet>()>;

// Counted by all lanes at once.
struct ScanCost {
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> bytes_read{0};
  std::atomic<uint64_t> cache_hits{0};    // blocks that were in memory
  std::atomic<uint64_t> read_rounds{0};   // times a lane waited for reads
  std::atomic<uint64_t> read_wait_ns{0};  // all lanes
  std::atomic<uint64_t> lanes_ns{0};      // how long they ran, waits included

  void add_wait(double us) {
    ++read_rounds;
    read_wait_ns += static_cast<uint64_t>(us * 1000);
  }
};

// Who scans, and until when.
struct ScanLanes {
  base::ThreadPool& pool;
  size_t count = 1;  // at most
  Deadline deadline = kNoDeadline;
};

// Reads may run at once with each other and with one writer; a slot is written only while no live
// set that a reader holds contains it.
class VectorStore {
 public:
  // `budget` outlives the store.
  VectorStore(std::unique_ptr<storage::RowFile> file, MemoryBudget& budget);

  storage::RowFile& file() { return *file_; }
  const storage::RowFile& file() const { return *file_; }

  // Writes rows, ascending by slot, to the file (not synced) and to the blocks in memory.
  Status write(std::span<const storage::RowRef> rows);
  // Rows that count instead of the file's: what a read-only opener found in the redo records. Their
  // bytes are copied. Before any read.
  void overlay(const storage::RowRef& row);

  // The row of a live slot, checked; fills `bytes`.
  Result<storage::RowRef> read(uint32_t slot, std::span<std::byte> bytes) const;

  // Feeds every block with a live row to `scan`. Rows are checked when they come from disk.
  // kCorruption, kIoError, kCancelled (between two blocks).
  // `latest` gives the newest live set: a block that stays in memory is checked for it as well.
  Status scan_all(const LiveSet& live, const LatestLiveSet& latest, const ScanLanes& lanes,
                  ExactScan& scan, ScanCost& cost);

  // A whole block into `out` (block_bytes long), the rows of `live` checked.
  Status read_block(uint64_t block, const LiveSet& live, std::span<std::byte> out) const;

  // Checks every row of `live`; calls `damaged` with what is wrong, until it returns false.
  // kCancelled where `progress` returns false.
  Status check(const LiveSet& live, const std::function<bool(const Status&)>& damaged,
               const std::function<bool(uint64_t blocks_done, uint64_t blocks)>& progress) const;

  uint64_t bytes_in_memory() const { return resident_bytes_; }
  // Gives the memory of all blocks back to the budget; scans load them again as it allows.
  void drop_cached_blocks();

 private:
  class Streamer;
  struct Slab;

  // Scans the block in memory, loading it where the budget allows; false where it has to be
  // streamed.
  Result<bool> scan_resident(uint64_t block, const LiveSet& live, const LatestLiveSet& latest,
                             size_t lane, ExactScan& scan, ScanCost& cost);
  Result<bool> load_resident(uint64_t block, const LiveSet& live, const LatestLiveSet& latest,
                             ScanCost& cost);
  // A block's place in a slab, which lives at least as long as this.
  struct Place {
    std::shared_ptr<Slab> slab;
    std::byte* data = nullptr;  // null: there is none
  };
  Place find_resident(uint64_t block) const;
  Place place_for(uint64_t block);
  Status load(uint64_t block, std::span<std::byte> out) const;
  Status check_block(uint64_t block, const LiveSet& live, const std::byte* data) const;
  void scan_block(uint64_t block, const LiveSet& live, const std::byte* data, size_t lane,
                  ExactScan& scan) const;
  base::FairSharedMutex& lock_of(uint64_t block) const { return block_locks_[block % kLockCount]; }

  static constexpr size_t kLockCount = 64;

  std::unique_ptr<storage::RowFile> file_;
  MemoryBudget& budget_;
  // Guards the bytes of the resident blocks of its stripe: scans share, row writes and loads don't.
  mutable base::FairSharedMutex block_locks_[kLockCount];
  mutable std::shared_mutex slabs_mutex_;     // guards slabs_ and the loaded flags in them
  std::vector<std::shared_ptr<Slab>> slabs_;  // shared with scans: they outlast a drop
  size_t blocks_per_slab_;
  std::atomic<uint64_t> resident_bytes_{0};
  // slot -> tag, norm, bytes; grouped by block for loading. Constant once reads begin.
  struct OverlayRow {
    uint64_t tag;
    uint32_t norm;
    std::vector<std::byte> bytes;
  };
  std::unordered_map<uint64_t, std::unordered_map<uint32_t, OverlayRow>> overlay_;
};

}  // namespace roxanne::index
