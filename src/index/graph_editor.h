// Changes a piece of a disk graph in memory: on copies of its pages, beside the graph that searches
// see, until the piece is published. No input or output.
//
// A new node's neighbours are chosen by RobustPrune among the points that a search for it compared,
// and each neighbour takes an edge back where the same rule has it so (Vamana, Subramanya et al.,
// NeurIPS 2019). Where a node goes, each that led to it takes one of its neighbours instead
// (IP-DiskANN, Xu et al. 2025, which looks for them by a search; here they are looked for on the
// pages of its neighbours). Nodes are put where their neighbours lie, or else where their cell has
// room; where it has none at hand a page is split in two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/disk_graph.h"
#include "index/exact_distance.h"
#include "index/link_space.h"
#include "index/near_points.h"
#include "index/number_set.h"
#include "index/pages_under_way.h"
#include "index/row_residual.h"
#include "index/waiting_links.h"

namespace roxanne::index {

struct NewNode {
  uint32_t slot = 0;
  uint64_t tag = 0;
  const std::byte* row = nullptr;  // of the collection's scalar type and dimension, finite
};

// Numbers of pages that are nobody's.
struct FreePageNumbers {
  std::vector<uint32_t> free;
  uint32_t end = 0;  // above all that are in use or free
  uint32_t take();
};

class GraphEditor {
 public:
  static constexpr size_t kCandidates = 64;

  // All outlive this. `point_bytes`: for points that were read or decoded; `waiting_bytes`: for
  // edges that wait, as in update_links().
  GraphEditor(const DiskGraph& graph, FreePageNumbers& numbers, uint64_t point_bytes,
              uint64_t waiting_bytes);

  // Changes of another kind begin: nothing is known of points that came or went.
  void forget();
  // A piece begins. Pages are in `pages`, which outlive it, before they are asked for. What the
  // piece before changed is published.
  void begin(PagesUnderWay& pages);

  // Where a slot's node is now; kNoNode where there is none.
  uint32_t node_of(uint32_t slot) const;
  uint32_t page_of(uint32_t slot) const { return node_of(slot) / graph_.layout.nodes; }

  // Of the points that are near a new node, so many are worth to be known.
  static size_t near_most(const DiskGraph& graph);
  // Pages that are not at hand and have room for those of the nodes, found near such points, for
  // whom there is none on pages of their cell that are. Ascending.
  std::vector<uint32_t> pages_with_room(std::span<const NewNode> nodes,
                                        std::span<const NearPoints> near);
  // The node is put on one of the pages at hand.
  void insert(const NewNode& node, const NearPoints& near);
  // On pages which this piece has changed takes the edges that waited for that, and lets go of
  // those that lead to nobody. Changes no others.
  void update_links();
  // Slots that are out of the graph: nothing waits for them any more.
  void forget_waiting(std::span<const uint32_t> slots) { waiting_.forget(slots); }
  // Its page is at hand, as are those of its neighbours; others that led to it are not mended.
  void remove(uint32_t slot);
  // Slots of a node's neighbours that are there. Its page is at hand.
  std::vector<uint32_t> neighbours_of(uint32_t slot);
  // Moves the nodes of a page to another of the same cell that has room; both are at hand.
  void merge(PageEdit& from, PageEdit& to);

  // Of the piece so far: slots whose nodes moved, came (their node) or went (kNoNode).
  struct Moved {
    uint32_t slot;
    uint32_t node;
  };
  std::span<const Moved> moved() const { return moved_; }
  // Pages that lost nodes, or were made; they are in `pages`.
  const std::vector<uint32_t>& thinned_pages() const { return thinned_pages_; }
  const std::vector<uint32_t>& made_pages() const { return made_pages_; }
  uint64_t distance_computations() const { return distance_computations_; }

 private:
  struct Where {
    PageEdit* page = nullptr;
    uint32_t place = 0;
  };
  Where where(uint32_t slot);
  void set_node(uint32_t slot, uint32_t node);
  void prefetch_points(std::span<const uint32_t> slots) const;
  const std::byte* point_of(uint32_t slot, const std::byte* row = nullptr);
  void choose_candidates(const NearPoints& near);
  std::vector<uint32_t> prune(const std::byte* point, std::span<const uint32_t> slots,
                              uint32_t most);
  void set_place(const NewNode& node);
  uint32_t choose_cell(std::span<const uint32_t> slots) const;
  PageEdit& choose_page(const NearPoints& near);
  PageEdit* roomy_page(uint32_t cell);
  PageEdit& split(PageEdit& page);
  void put(PageEdit& page, const NewNode& node, const std::vector<uint32_t>& neighbours);
  void link_back(uint32_t from, uint32_t slot, float distance, bool must);
  bool is_stood_for(std::span<const uint32_t> slots, float distance);
  void list_of(const Where& at, std::vector<uint32_t>& slots);
  void mend(const Where& at, uint32_t gone, std::span<const uint32_t> instead);

  const DiskGraph& graph_;
  PagesUnderWay* pages_ = nullptr;
  FreePageNumbers& numbers_;
  LinkSpace space_;
  const size_t known_most_;  // points
  ExactDistance exact_;
  RowResidual residual_;
  std::vector<Moved> moved_;
  NumberMap<uint32_t> moved_at_;  // by slot: where in moved_
  std::vector<uint32_t> thinned_pages_, made_pages_;
  WaitingLinks waiting_;

  // Points in the link space, by slot, as long as they fit.
  NumberMap<uint32_t> known_;  // by slot: where in known_points_
  std::vector<std::byte> known_points_;

  std::vector<uint32_t> new_slots_;  // that came in this piece and the one before
  std::vector<std::byte> point_;     // the node at hand
  struct Candidate {
    float distance;  // in the link space
    uint32_t slot;
    bool operator<(const Candidate& other) const {
      return distance != other.distance ? distance < other.distance : slot < other.slot;
    }
  };
  std::vector<Candidate> candidates_;  // nearest first
  NumberSet candidate_slots_;
  std::vector<uint32_t> list_;  // of a node that is changed
  std::vector<std::byte> own_;  // that node
  std::vector<std::byte> prune_rows_;
  std::vector<float> place_;  // of the node at hand, where cells are
  uint64_t distance_computations_ = 0;
};

}  // namespace roxanne::index
