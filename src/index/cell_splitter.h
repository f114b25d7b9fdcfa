// Splits a cell of a disk graph that has become too large: its pages go to two cells, each to the
// nearer centroid, and all codes are made anew. No page is written: pages do not know their cell.
#pragma once

#include <cstdint>
#include <vector>

#include "index/disk_index.h"
#include "index/page_fetcher.h"
#include "roxanne/status.h"

namespace roxanne::index {

// Of the one thread that changes the index.
class CellSplitter {
 public:
  // Both outlive it.
  CellSplitter(DiskIndex& index, PageFetcher& fetcher);

  bool is_too_large(uint32_t cell) const;
  // False where the cell cannot be split: all its points are the same.
  Result<bool> split(uint32_t cell);

 private:
  struct Point {
    uint32_t node;
    uint32_t page;  // in the cell's list
  };
  Status load(uint32_t cell);
  bool divide();
  void encode(bool right, std::vector<uint8_t>& codes) const;
  void publish(uint32_t cell);

  DiskIndex& index_;
  DiskGraph& graph_;
  PageFetcher& fetcher_;
  PagesUnderWay pages_;
  std::vector<uint32_t> numbers_;  // the cell's pages
  std::vector<Point> points_;
  std::vector<float> places_, offsets_;  // of the points
  std::vector<float> means_;             // of the pages' points
  std::vector<float> counts_;            // points of the pages
  std::vector<bool> is_right_;           // by page
  std::vector<float> centroids_[2];
  float centroid_offsets_[2] = {};
};

}  // namespace roxanne::index
