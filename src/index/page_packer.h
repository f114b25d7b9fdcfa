// Makes a graph that lost many pages smaller, in memory and on disk, when changes have come to
// rest:
// - moves pages from high numbers to low ones that are free: what searches hold in memory, and the
//   files of codes and of the page map, have an entry for each number up to the highest;
// - then writes pages anew that lie far back in the file, where there is room before: so its end
//   can be cut off, and who copies the folder copies no holes.
// Edges name slots and cells list their pages, so nothing else has to follow.
//
// Some pages at a time, so that others get their turn. Who goes on changing the graph in between
// calls stop() before.
#pragma once

#include <cstdint>
#include <vector>

#include "index/disk_index.h"
#include "index/graph_editor.h"
#include "index/page_fetcher.h"
#include "index/pages_under_way.h"
#include "roxanne/status.h"

namespace roxanne::index {

// Of the one thread that changes the index.
class PagePacker {
 public:
  // All outlive it. `pages_most`: in memory at once.
  PagePacker(DiskIndex& index, PageFetcher& fetcher, FreePageNumbers& numbers, size_t pages_most);

  // Whether so much is free that moving pages pays, or it has begun.
  bool is_due() const;
  // Moves some; when all have other numbers, makes the graph smaller. kIoError, kCorruption,
  // kDiskFull, kReadOnly: what has moved until then has moved; no more is due until stop().
  Status step();
  // Numbers that were left so far are free like others. The next step begins anew.
  void stop();
  // Until stop() nothing moves any more.
  void give_up();

 private:
  struct Move {
    uint32_t from;
    uint32_t to;
  };
  bool has_free_numbers() const;
  bool has_free_places() const;
  size_t pages_of_step() const;
  void end_phase();

  Status step_numbers();
  std::vector<Move> choose_moves();
  Status write(const std::vector<Move>& moves);
  void publish(const std::vector<Move>& moves);
  void shrink();

  Status step_places();

  DiskIndex& index_;
  DiskGraph& graph_;
  PageFetcher& fetcher_;
  FreePageNumbers& numbers_;
  const size_t pages_most_;
  PagesUnderWay pages_;

  enum class Phase { kNone, kNumbers, kPlaces };
  Phase phase_ = Phase::kNone;
  bool keeps_numbers_ = false;
  bool keeps_places_ = false;   // all were looked at
  uint32_t end_ = 0;            // numbers from here on are free
  std::vector<uint32_t> left_;  // those of them that were not when it began
  uint32_t next_page_ = 0;      // whose place is looked at next
  uint32_t places_end_ = 0;     // pages that lie beyond move
};

}  // namespace roxanne::index
