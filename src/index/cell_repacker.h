// Sorts a cell of a changing graph anew, as a build does (cell_sorter.h): near points share a page,
// pages are full but for a place or so, codes are of what the centroid of now leaves. A cell that
// has become too large is cut in two. Since edges name slots, moving points is an ordinary write.
#pragma once

#include <cstdint>
#include <vector>

#include "index/cell_packing.h"
#include "index/disk_index.h"
#include "index/graph_editor.h"
#include "index/graph_refresher.h"
#include "index/page_fetcher.h"
#include "roxanne/status.h"

namespace roxanne::index {

// Of the one thread that changes the index.
class CellRepacker {
 public:
  // All outlive it.
  CellRepacker(DiskIndex& index, PageFetcher& fetcher, FreePageNumbers& numbers);

  // It is told of pages whose nodes moved; outlives this.
  void set_refresher(GraphRefresher* refresher) { refresher_ = refresher; }

  // Tells of points that came to the cell, or went.
  void note_changes(uint32_t cell, uint32_t count);
  // Whether so much changed that sorting it anew pays.
  bool is_due(uint32_t cell) const;
  // kIoError, kCorruption, kDiskFull, kReadOnly: nothing is changed then.
  Status repack(uint32_t cell);

  uint64_t cells_packed() const { return cells_packed_; }

 private:
  struct Point {
    PageEdit* page;
    uint32_t place;
  };
  // A page to write.
  struct Page {
    uint32_t number;
    uint32_t cell;
    std::vector<uint32_t> points;
  };
  Status load(uint32_t cell);
  void divide();
  void centre(size_t half);
  void fill_pages(uint32_t cell);
  Status write();
  bool has_drifted(uint32_t cell) const;
  void encode(uint8_t* codes) const;
  void publish(uint32_t cell);
  size_t row_count(uint32_t cell) const;

  DiskIndex& index_;
  DiskGraph& graph_;
  PageFetcher& fetcher_;
  FreePageNumbers& numbers_;
  GraphRefresher* refresher_ = nullptr;
  CellPacker packer_;
  std::vector<uint32_t> changes_;  // by cell, since it was sorted

  PagesUnderWay pages_;              // of the cell
  std::vector<uint32_t> old_pages_;  // their numbers
  std::vector<Point> points_;
  std::vector<float> places_, offsets_;  // of the points
  std::vector<uint32_t> halves_[2];      // points; the second empty where nothing is cut
  std::vector<float> centroids_[2];
  float centroid_offsets_[2] = {};
  std::vector<Page> new_pages_;
  std::vector<uint32_t> gone_;  // numbers of pages that are not needed any more
  size_t made_ = 0;             // of new_pages_, the last so many have new numbers
  base::AlignedBuffer bytes_;
  std::vector<storage::PageImage> images_;
  uint64_t cells_packed_ = 0;
};

}  // namespace roxanne::index
