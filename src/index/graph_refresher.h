// Brings what a disk graph knows of its points up to date when it has grown far beyond those it was
// built of: the codebook is trained anew and all codes are made again, the cells get other groups,
// and it is measured how far estimates are off and how long lists must be. A piece at a time, while
// searches go on with the old codes and the graph changes; then codes change all at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "index/disk_calibration.h"
#include "index/disk_index.h"
#include "index/exact_scan.h"
#include "index/graph_editor.h"
#include "index/page_fetcher.h"
#include "index/row_residual.h"
#include "roxanne/status.h"

namespace roxanne::index {

// Of the one thread that changes the index.
class GraphRefresher {
 public:
  struct Options {
    size_t thread_count = 1;
    size_t pages_most = 2048;  // at a time
    // Memory for a second set of codes; null where there is none: then it waits.
    std::function<std::shared_ptr<void>(uint64_t bytes)> take_memory;
  };
  // All outlive it. `known_points`: that the codebook and the groups were made of.
  GraphRefresher(DiskIndex& index, PageFetcher& fetcher, base::ThreadPool& pool,
                 const Options& options, uint64_t known_points);

  bool is_due() const;
  bool is_running() const { return new_code_.has_value(); }
  // Begins where it is due, and goes on where it runs; for some tens of milliseconds, but longer at
  // its beginning and end. An error ends it; it begins again later.
  Status step();
  // A page has other nodes or another cell, or its cell has moved. No copy of the bytes is kept.
  void note_page(uint32_t page, const std::byte* bytes);

  // Points have come, and are published: what is nearest to the sample is compared with them too.
  void note_points(std::span<const NewNode> nodes);

  uint64_t known_points() const { return known_points_; }

 private:
  Status begin();
  size_t sample_pages() const;
  size_t sample_rows(size_t pages) const;
  uint64_t training_bytes() const;
  Status train();
  Status take_queries();
  Status advance();
  void compare(const std::vector<std::byte>& rows, const std::vector<uint64_t>& slots);
  // `bytes` may be null where the page is nobody's.
  void encode_page(uint32_t page, const std::byte* bytes);
  Status finish();
  Cells regrouped() const;
  void stop();

  DiskIndex& index_;
  DiskGraph& graph_;
  PageFetcher& fetcher_;
  base::ThreadPool& pool_;
  const Options options_;
  uint64_t known_points_;
  uint64_t due_at_;  // points
  uint64_t seed_ = 1;

  std::optional<quantize::CellCode> new_code_;
  base::AlignedBuffer new_codes_;
  std::shared_ptr<void> memory_;  // held with new_codes_; whoever gave it knows what it is
  uint32_t next_page_ = 0;        // pages below it have new codes
  CalibrationSample sample_;
  std::unique_ptr<ExactScan> scan_;
  uint64_t next_id_ = 0;  // of a point that is compared with the sample
  PagesUnderWay pages_;
  RowResidual residual_;
};

}  // namespace roxanne::index
