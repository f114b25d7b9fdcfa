// Takes nodes out of a piece of a disk graph: reads the pages that this changes, has the nodes that
// led to them mended, and gives up pages that have few nodes left.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/graph_editor.h"
#include "index/page_fetcher.h"

namespace roxanne::index {

// One thread's.
class NodeRemover {
 public:
  // All outlive it.
  NodeRemover(const DiskGraph& graph, GraphEditor& editor, PageFetcher& fetcher)
      : graph_(graph), editor_(editor), fetcher_(fetcher) {}

  // The nodes of these slots, all of which are there, go from the piece that the editor has begun
  // on `pages`. kIoError, kCorruption: the piece is half done.
  Status remove(std::span<const uint32_t> slots, PagesUnderWay& pages);

 private:
  Status fetch(std::vector<uint32_t>& numbers, PagesUnderWay& pages);
  Status merge_thinned(PagesUnderWay& pages);
  uint32_t partner_of(const PageEdit& page, PagesUnderWay& pages) const;
  uint32_t count_of(uint32_t number, PagesUnderWay& pages) const;

  const DiskGraph& graph_;
  GraphEditor& editor_;
  PageFetcher& fetcher_;
};

}  // namespace roxanne::index
