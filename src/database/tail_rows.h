// Points that the serving graph does not name yet: which they are, and their rows, in memory as far
// as a bound goes, so that every search can compare with them.
//
// Rows lie in append-only chunks that versions share: a version says how many rows of each chunk it
// knows and which of them count. One thread, the committing one, appends.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/exact_scan.h"
#include "index/live_set.h"
#include "index/memory_budget.h"
#include "index/vector_store.h"
#include "roxanne/status.h"
#include "storage/row_file.h"

namespace roxanne::database {

// Of one collection: what it keeps of its tail in memory at most.
struct TailLimits {
  uint64_t rows = 0;
  uint64_t bytes = 0;
};

class TailRows {
 public:
  static constexpr size_t kChunkRowsMax = 1024;

  // A place for no rows at all.
  TailRows() = default;
  // `budget` outlives every copy.
  TailRows(size_t row_bytes, TailLimits limits, index::MemoryBudget& budget)
      : row_bytes_(row_bytes), limits_(limits), budget_(&budget) {}

  // Copies the row; false where the limits, or the budget, leave no room.
  bool append(const storage::RowRef& row);
  // Rows whose slots are not in `slots` do not count any more.
  void keep_only(const index::LiveSet& slots);

  uint64_t count() const { return count_; }
  uint64_t bytes_in_memory() const;
  index::LiveSet slots() const;

  // For searches: the rows in pieces, oldest first. A row's id in piece p is p * kChunkRowsMax and
  // its place there; slot_of() tells whose it is.
  size_t piece_count() const { return parts_.size(); }
  index::ScanRows piece(size_t number) const;
  uint32_t slot_of(uint64_t id) const;

  // The at most `count_max` oldest rows. Their bytes live as long as this or any copy of it.
  std::vector<storage::RowRef> oldest(size_t count_max) const;

 private:
  struct Chunk;
  struct Part {
    std::shared_ptr<Chunk> chunk;  // shared by versions; rows at and above `count` are not theirs
    size_t count = 0;
    std::array<uint64_t, kChunkRowsMax / 64> counts{};  // bit r set = row r counts
  };
  size_t chunk_rows() const;
  bool begin_chunk();

  size_t row_bytes_ = 0;
  TailLimits limits_;
  index::MemoryBudget* budget_ = nullptr;
  std::vector<Part> parts_;  // oldest first
  uint64_t count_ = 0;
};

// One version's tail. `slots` is the union of what `rows` has and `on_disk`, which have nothing in
// common.
struct Tail {
  index::LiveSet slots;
  TailRows rows;
  index::LiveSet on_disk;  // slots whose rows are to be read from the vectors file

  uint64_t count() const { return slots.count(); }

  // How a version differs from the one before it, of whose tail this is a copy.
  struct Change {
    const index::LiveSet& live_before;
    const index::LiveSet& live;
    const index::LiveSet& indexed;           // slots that the serving graph finds
    std::span<const size_t> indexed_chunks;  // ascending; where `indexed` changed
    std::span<const storage::RowRef> rows;   // that were written, ascending by slot
    bool only_grew = false;                  // nothing was freed, nor indexed
  };
  void apply(const Change& change);
};

// The tail of `live` beside a graph that finds `indexed`. What `rows` holds counts as far as it is
// in it.
Tail make_tail(const index::LiveSet& live, const index::LiveSet& indexed, TailRows rows);

// Reads rows of `slots`, none of which is written meanwhile, as far as `rows` has room.
// kCorruption, kIoError.
Status load_rows(const index::VectorStore& vectors, const index::LiveSet& slots, TailRows& rows);

}  // namespace roxanne::database
