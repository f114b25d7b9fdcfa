// How the points of a changing graph's cell go to pages anew, as a build puts them: near points
// share a page, pages are full but for a place or so, codes are of what the centroid of now leaves.
// A cell that has become too large is cut in two. Plans only: nothing is changed.
#pragma once

#include <cstdint>
#include <vector>

#include "index/cell_packing.h"
#include "index/disk_graph.h"
#include "index/pages_under_way.h"

namespace roxanne::index {

// One thread's; others may plan other cells meanwhile, and nobody changes the graph.
class CellPlan {
 public:
  struct Point {
    PageEdit* page;
    uint32_t place;
  };
  // A page to write, of points().
  struct Page {
    size_t half = 0;  // 1: of the cell that is cut off
    std::vector<uint32_t> points;
  };

  // Beyond so many points a cell is cut.
  static size_t rows_most();

  explicit CellPlan(const DiskGraph& graph) : graph_(graph) {}

  // All its pages are in `pages`, which outlives what is planned.
  void make(uint32_t cell, PagesUnderWay& pages);

  uint32_t cell() const { return cell_; }
  const std::vector<Point>& points() const { return points_; }
  const std::vector<Page>& pages() const { return pages_; }
  const std::vector<uint32_t>& old_pages() const { return old_pages_; }  // numbers; ascending
  bool is_cut() const { return !halves_[1].empty(); }
  // Whether its centroid is another: always where it is cut.
  bool is_moved() const { return is_moved_; }
  const float* centroid(size_t half) const { return centroids_[half].data(); }
  float centroid_offset(size_t half) const { return centroid_offsets_[half]; }
  const uint8_t* code(uint32_t point) const {
    return codes_.data() + point * graph_.code.code_bytes();
  }

 private:
  void load(PagesUnderWay& pages);
  void divide();
  void centre(size_t half);
  void fill_pages();
  bool has_drifted() const;
  void encode();
  void keep_codes();

  const DiskGraph& graph_;
  CellPacker packer_{/*yields=*/true};
  uint32_t cell_ = 0;
  std::vector<uint32_t> old_pages_;
  std::vector<Point> points_;
  std::vector<float> places_, offsets_;  // of the points
  std::vector<uint32_t> halves_[2];      // points; the second empty where nothing is cut
  std::vector<float> centroids_[2];
  float centroid_offsets_[2] = {};
  std::vector<Page> pages_;
  bool is_moved_ = false;
  std::vector<uint8_t> codes_;  // by point
};

}  // namespace roxanne::index
