// Sorts cells of a changing graph anew, as a build does: cell_plan.h. Since edges name slots,
// moving points is an ordinary write.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "index/cell_plan.h"
#include "index/disk_index.h"
#include "index/graph_editor.h"
#include "index/graph_refresher.h"
#include "index/page_fetcher.h"
#include "roxanne/status.h"

namespace roxanne::index {

// Of the one thread that changes the index.
class CellRepacker {
 public:
  // All outlive it. Cells at once: their pages and points are in memory together, a megabyte or so
  // each.
  CellRepacker(DiskIndex& index, PageFetcher& fetcher, FreePageNumbers& numbers,
               base::ThreadPool& pool, size_t cells_at_once);

  // It is told of pages whose nodes moved; outlives this.
  void set_refresher(GraphRefresher* refresher) { refresher_ = refresher; }

  // Tells of points that came to the cell, or went.
  void note_changes(uint32_t cell, uint32_t count);
  // Whether so much changed that sorting it anew pays.
  bool is_due(uint32_t cell) const;
  // Some at a time, on so many threads at the most. Cells ascend. kIoError, kCorruption, kDiskFull,
  // kReadOnly: nothing is changed then of those that were under way, nor of those after.
  Status repack(std::span<const uint32_t> cells, size_t thread_count);

  uint64_t cells_packed() const { return cells_packed_; }

 private:
  // Where a plan's pages go.
  struct NewPages {
    std::vector<uint32_t> numbers;
    std::vector<uint32_t> gone;  // numbers that are not needed any more
    uint32_t cut_off = kNoCell;  // the new cell
  };
  Status repack_some(std::span<const uint32_t> cells, size_t thread_count);
  void number_pages(std::span<const CellPlan> plans);
  Status write(std::span<const CellPlan> plans);
  void publish(const CellPlan& plan, const NewPages& pages);
  size_t row_count(uint32_t cell) const;

  DiskIndex& index_;
  DiskGraph& graph_;
  PageFetcher& fetcher_;
  FreePageNumbers& numbers_;
  base::ThreadPool& pool_;
  GraphRefresher* refresher_ = nullptr;
  std::vector<uint32_t> changes_;  // by cell, since it was sorted

  PagesUnderWay pages_;              // of the cells at hand
  std::vector<CellPlan> plans_;      // as many as are made at once
  std::vector<NewPages> new_pages_;  // by plan
  std::vector<uint32_t> made_, gone_;
  base::AlignedBuffer bytes_;
  std::vector<storage::PageImage> images_;
  uint64_t cells_packed_ = 0;
};

}  // namespace roxanne::index
