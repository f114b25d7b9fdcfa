#include "index/graph_editor.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/background.h"
#include "graph/robust_prune.h"
#include "kernels/distance.h"

namespace roxanne::index {
namespace {

constexpr uint32_t kAlpha1000 = 1200;
// So many of its nearest neighbours lead to a new node from the first, where their pages are at
// hand. Farther ones are offered an edge when that costs no page more to be written: until then the
// offer waits.
constexpr size_t kLinksBackLeast = 4;
// ... where there is room for it to wait; else so many nearest are offered one at once.
constexpr size_t kLinksBackWorth = 12;
// Points that came just before in the piece, which no search finds: those to come are in the order
// of their cells.
constexpr size_t kNewCompared = 256;
// A point that is kept takes so much beside it.
constexpr size_t kPointEntryBytes = 64;
// A list that is pruned anew keeps so many places free, for those that come next and would be
// stood for: where all are as far from each other, full lists turn away whoever comes.
constexpr uint32_t kPlacesLeft = 3;
// New neighbours of a node that lost one, where it has room for more than one.
constexpr size_t kInsteadMost = 2;

}  // namespace

uint32_t FreePageNumbers::take() {
  if (free.empty()) return end++;
  const uint32_t number = free.back();
  free.pop_back();
  return number;
}

GraphEditor::GraphEditor(const DiskGraph& graph, FreePageNumbers& numbers, uint64_t point_bytes,
                         uint64_t waiting_bytes)
    : graph_(graph),
      numbers_(numbers),
      space_(graph),
      known_most_(std::max<size_t>(256, point_bytes / (space_.point_bytes() + kPointEntryBytes))),
      exact_(graph.shape.options.type, graph.shape.options.metric, graph.shape.options.dim),
      residual_(graph),
      waiting_(waiting_bytes),
      point_(space_.point_bytes()),
      place_(graph.shape.options.dim) {}

void GraphEditor::forget() {
  new_slots_.clear();
  known_.clear();
  known_points_.clear();
}

void GraphEditor::begin(PagesUnderWay& pages) {
  pages_ = &pages;
  moved_.clear();
  moved_at_.clear();
  thinned_pages_.clear();
  made_pages_.clear();
  if (new_slots_.size() > kNewCompared) {
    new_slots_.erase(new_slots_.begin(), new_slots_.end() - kNewCompared);
  }
}

uint32_t GraphEditor::node_of(uint32_t slot) const {
  const uint32_t* const found = moved_at_.find(slot);
  return found != nullptr ? moved_[*found].node : graph_.node_of(slot);
}

void GraphEditor::set_node(uint32_t slot, uint32_t node) {
  bool is_new;
  uint32_t& at = moved_at_.at(slot, is_new);
  if (is_new) {
    at = static_cast<uint32_t>(moved_.size());
    moved_.push_back({slot, node});
  } else {
    moved_[at].node = node;
  }
}

GraphEditor::Where GraphEditor::where(uint32_t slot) {
  const uint32_t node = node_of(slot);
  if (node == kNoNode) return {};
  return {pages_->find(node / graph_.layout.nodes), node % graph_.layout.nodes};
}

// A node that is there, in the link space, given its row where that is known. It stays where it is
// until the next call.
const std::byte* GraphEditor::point_of(uint32_t slot, const std::byte* row) {
  const size_t point_bytes = space_.point_bytes();
  if (const uint32_t* const found = known_.find(slot); found != nullptr) {
    std::byte* const known = known_points_.data() + *found * point_bytes;
    if (row != nullptr) space_.of_row(row, known);  // it may have been decoded
    return known;
  }
  if (known_.size() >= known_most_) {
    known_.clear();
    known_points_.clear();
  }
  const auto number = static_cast<uint32_t>(known_.size());
  bool is_new;
  known_.at(slot, is_new) = number;
  known_points_.resize((number + size_t{1}) * point_bytes);
  std::byte* const out = known_points_.data() + number * point_bytes;
  const Where at = where(slot);
  if (row == nullptr && at.page != nullptr) row = at.page->row(at.place);
  if (row != nullptr) {
    space_.of_row(row, out);
  } else {
    // It did not move in this piece, or its page were here.
    const uint32_t node = graph_.node_of(slot);
    space_.of_code(graph_.code_of(node), graph_.page_cells[graph_.page_of(node)], out);
  }
  return out;
}

// The codes of those that point_of() will have to decode.
void GraphEditor::prefetch_points(std::span<const uint32_t> slots) const {
  for (const uint32_t slot : slots) {
    if (known_.contains(slot)) continue;
    const uint32_t node = graph_.node_of(slot);
    if (node == kNoNode) continue;
    graph_.prefetch_codes_of(node);
    __builtin_prefetch(&graph_.page_cells[graph_.page_of(node)]);
  }
}

// By inner products the nearest are others than in the link space.
size_t GraphEditor::near_most(const DiskGraph& graph) {
  return graph.shape.options.metric == Metric::kInnerProduct ? 2 * kCandidates : kCandidates;
}

void GraphEditor::insert(const NewNode& node, const NearPoints& near) {
  space_.of_row(node.row, point_.data());
  set_place(node);
  choose_candidates(near);
  std::vector<uint32_t> slots;
  for (const Candidate& candidate : candidates_) slots.push_back(candidate.slot);
  const std::vector<uint32_t> neighbours = prune(point_.data(), slots, graph_.layout.max_degree);
  put(choose_page(near), node, neighbours);
  new_slots_.push_back(node.slot);
  for (size_t i = 0; i < neighbours.size(); ++i) {
    const auto of = std::find_if(candidates_.begin(), candidates_.end(),
                                 [&](const Candidate& c) { return c.slot == neighbours[i]; });
    const bool must = i < kLinksBackLeast;
    const bool is_worth_a_page = must || (i < kLinksBackWorth && waiting_.is_full());
    const PageEdit* const page = where(neighbours[i]).page;
    if (page != nullptr && (is_worth_a_page || page->is_dirty())) {
      link_back(neighbours[i], node.slot, of->distance, must);
    } else {
      waiting_.add(neighbours[i], {node.slot, of->distance});
    }
  }
}

void GraphEditor::update_links() {
  for (PageEdit* const page : pages_->dirty_pages()) {
    base::give_way();  // to searches
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (!page->has(place)) continue;
      graph_.prefetch_nodes_of(page->neighbours(place));
      waiting_.prefetch(page->slot(place));
    }
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (page->has(place)) waiting_.prefetch_first(page->slot(place));
    }
    // Before other points come to the slots that they name: then they would lead anywhere, and
    // pruning, which finds nobody to stand for what is far from everything, would keep them.
    page->drop_links_to([this](uint32_t slot) { return node_of(slot) == kNoNode; });
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (!page->has(place)) continue;
      const uint32_t from = page->slot(place);
      for (const WaitingLinks::Link& link : waiting_.take(from)) {
        if (link.to == from || node_of(link.to) == kNoNode) continue;
        const std::byte* const point = point_of(link.to);
        point_.assign(point, point + space_.point_bytes());
        link_back(from, link.to, link.distance, /*must=*/false);
      }
    }
  }
}

// Of the points compared, and of those that came before in this piece, the nearest.
void GraphEditor::choose_candidates(const NearPoints& near) {
  candidates_.clear();
  candidate_slots_.clear();
  // Rows first: what is decoded of a slot may lie elsewhere.
  const auto add = [&](uint32_t slot, const std::byte* row) {
    if (node_of(slot) == kNoNode || !candidate_slots_.insert(slot)) return;
    candidates_.push_back({space_.distance(point_.data(), point_of(slot, row)), slot});
  };
  for (const NearPoints::Point& one : near.points()) add(one.slot, near.row(one));
  const size_t new_count = std::min(new_slots_.size(), kNewCompared);
  for (const uint32_t slot : std::span(new_slots_).last(new_count)) add(slot, nullptr);
  distance_computations_ += candidates_.size();
  std::sort(candidates_.begin(), candidates_.end());
  if (candidates_.size() > kCandidates) candidates_.resize(kCandidates);
}

// The neighbours of a point among `slots`, so many at the most: first those that none stands for,
// then what fills the list up.
std::vector<uint32_t> GraphEditor::prune(const std::byte* point, std::span<const uint32_t> slots,
                                         uint32_t most) {
  const size_t point_bytes = space_.point_bytes();
  prune_rows_.resize((slots.size() + 1) * point_bytes);
  std::memcpy(prune_rows_.data() + slots.size() * point_bytes, point, point_bytes);
  for (size_t i = 0; i < slots.size(); ++i) {
    std::memcpy(prune_rows_.data() + i * point_bytes, point_of(slots[i]), point_bytes);
  }
  const graph::Points points(
      MatrixView(space_.type(), prune_rows_.data(), slots.size() + 1, space_.dim()), Metric::kL2);
  graph::RobustPrune pruner(points, {.max_degree = most, .alpha_1000 = kAlpha1000, .fill = true});
  std::vector<uint32_t> ids(slots.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<uint32_t> kept;
  for (const uint32_t i : pruner.prune(static_cast<uint32_t>(slots.size()), ids)) {
    kept.push_back(slots[i]);
  }
  distance_computations_ += pruner.distance_computations();
  return kept;
}

void GraphEditor::put(PageEdit& page, const NewNode& node,
                      const std::vector<uint32_t>& neighbours) {
  std::vector<uint8_t> code(graph_.code.code_bytes());
  residual_.set_cell(page.cell());
  residual_.set_row(node.row);
  residual_.encode(graph_.code, code.data());
  const uint32_t place = page.add({.slot = node.slot,
                                   .tag = node.tag,
                                   .norm = graph_.layout.has_norms ? exact_.row_norm(node.row) : 0,
                                   .row = node.row,
                                   .neighbours = nullptr,
                                   .code = code.data()});
  page.set_neighbours(place, neighbours);
  set_node(node.slot, page.node(place));
}

// A node's neighbours that are still there.
void GraphEditor::list_of(const Where& at, std::vector<uint32_t>& slots) {
  slots.clear();
  const uint32_t* neighbours = at.page->neighbours(at.place);
  for (size_t i = 0; i < graph_.layout.max_degree; ++i) {
    if (neighbours[i] != kNoNode && node_of(neighbours[i]) != kNoNode) {
      slots.push_back(neighbours[i]);
    }
  }
}

std::vector<uint32_t> GraphEditor::neighbours_of(uint32_t slot) {
  std::vector<uint32_t> slots;
  list_of(where(slot), slots);
  return slots;
}

// Offers a node an edge to a new one, which it has to take where it `must`. A full list is pruned
// anew, unless one of its nodes stands for the new one: what goes then is what others stand for,
// and not merely what is far, which is led to by few.
void GraphEditor::link_back(uint32_t from, uint32_t slot, float distance, bool must) {
  const Where at = where(from);
  if (at.page == nullptr) return;
  std::vector<uint32_t>& slots = list_;
  list_of(at, slots);
  std::erase(slots, slot);  // an edge to the point that was there before
  if (slots.size() < graph_.layout.max_degree) {
    slots.push_back(slot);
    at.page->set_neighbours(at.place, slots);
    return;
  }
  prefetch_points(slots);
  const std::byte* const own = point_of(from);
  own_.assign(own, own + space_.point_bytes());
  if (!must && is_stood_for(slots, distance)) return;
  slots.push_back(slot);
  const uint32_t most = std::max(kPlacesLeft + 1, graph_.layout.max_degree) - kPlacesLeft;
  std::vector<uint32_t> kept = prune(own_.data(), slots, most);
  if (must && std::find(kept.begin(), kept.end(), slot) == kept.end()) {
    if (kept.size() == graph_.layout.max_degree) kept.pop_back();
    kept.push_back(slot);
  }
  at.page->set_neighbours(at.place, kept);
}

// Whether one of them, nearer to own_ than the node at hand is, stands for it there by the rule of
// RobustPrune.
bool GraphEditor::is_stood_for(std::span<const uint32_t> slots, float distance) {
  for (const uint32_t slot : slots) {
    const std::byte* const other = point_of(slot);
    ++distance_computations_;
    if (kAlpha1000 * space_.distance(point_.data(), other) > 1000 * distance) continue;
    ++distance_computations_;
    if (space_.distance(own_.data(), other) <= distance) return true;
  }
  return false;
}

void GraphEditor::remove(uint32_t slot) {
  const Where at = where(slot);
  const std::vector<uint32_t> neighbours = neighbours_of(slot);
  std::vector<PageEdit*> pages{at.page};
  for (const uint32_t neighbour : neighbours) pages.push_back(where(neighbour).page);
  std::sort(pages.begin(), pages.end());
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  set_node(slot, kNoNode);
  at.page->remove(at.place);
  thinned_pages_.push_back(at.page->number());
  for (PageEdit* const page : pages) {
    if (page == nullptr) continue;
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (!page->has(place)) continue;
      const uint32_t* list = page->neighbours(place);
      if (std::find(list, list + graph_.layout.max_degree, slot) ==
          list + graph_.layout.max_degree) {
        continue;
      }
      mend({page, place}, slot, neighbours);
    }
  }
}

// A node that led to `gone` takes the nearest of what that led to.
void GraphEditor::mend(const Where& at, uint32_t gone, std::span<const uint32_t> instead) {
  std::vector<uint32_t>& slots = list_;
  list_of(at, slots);
  std::erase(slots, gone);
  const uint32_t own_slot = at.page->slot(at.place);
  const std::byte* const own = point_of(own_slot);
  own_.assign(own, own + space_.point_bytes());
  std::vector<Candidate> nearest;
  for (const uint32_t slot : instead) {
    if (slot == own_slot || std::find(slots.begin(), slots.end(), slot) != slots.end()) continue;
    nearest.push_back({space_.distance(own_.data(), point_of(slot)), slot});
  }
  distance_computations_ += nearest.size();
  const size_t room =
      graph_.layout.max_degree - std::min<size_t>(graph_.layout.max_degree, slots.size());
  const size_t wanted = std::min({room, kInsteadMost, nearest.size()});
  std::partial_sort(nearest.begin(), nearest.begin() + static_cast<ptrdiff_t>(wanted),
                    nearest.end());
  for (size_t i = 0; i < wanted; ++i) slots.push_back(nearest[i].slot);
  at.page->set_neighbours(at.place, slots);
}

void GraphEditor::merge(PageEdit& from, PageEdit& to) {
  for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
    if (!from.has(place)) continue;
    const uint32_t slot = from.slot(place);
    set_node(slot, to.node(to.add(from.record(place))));
    from.remove(place);
  }
}

}  // namespace roxanne::index
