// What a disk index and its searches are made of, so that each ingredient's worth can be measured
// by leaving it out. The defaults are the product; bench/disk_ablation.cc changes them, nothing
// else does. No file keeps any of it.
#pragma once

#include <cstddef>

namespace roxanne::index {

struct DiskTuning {
  // What is done with the points on a page for whose sake it was not read.
  enum class Companions {
    kExpanded,  // compared exactly, and the neighbours of near ones become known
    kCompared,  // compared exactly
    kIgnored,   // nothing: the page is read again when one of them is wanted
  };

  // Of a build.
  bool packs_cells = true;      // near points of a cell share a page; else: as the rows came
  size_t part_count = 0;        // of product codes; 0 = such codes as memory allows
  bool codes_residuals = true;  // codes are of what a cell's centroid leaves; else: of the point

  // Of searches; may be changed between two of them.
  size_t scan_codes = 0;      // of the nearest cells, before anything is read; 0 = by node_count
  size_t pages_at_once = 0;   // at most kPagesAtOnceMax; 0 = k, but 8 to 16
  bool follows_edges = true;  // else: what is known is what was scanned
  Companions companions = Companions::kExpanded;
  bool reads_by_gain = true;  // else: until the best search_list_size points known were all read
  // Neighbours of points up to so much farther than the k-th best become known, as a share of its
  // distance; and so much more for each doubling of search_list_size.
  float expand_margin = 0.1f;
  float expand_margin_a_doubling = 0.08f;
};

}  // namespace roxanne::index
