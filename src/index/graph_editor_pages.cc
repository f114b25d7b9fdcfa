// On which page a new node is put, and how pages are split: the editor's other half.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "index/graph_editor.h"

namespace roxanne::index {
namespace {

// Where a new node is put is decided by so many of its nearest points.
constexpr size_t kVoters = 32;

}  // namespace

// The cell whose centroid is nearest, of those on whose pages the nearest points are: so cells stay
// what they are. kNoCell where there is none.
uint32_t GraphEditor::choose_cell(std::span<const uint32_t> slots) const {
  uint32_t best = kNoCell;
  float best_distance = 0;
  for (const uint32_t slot : slots) {
    const uint32_t node = node_of(slot);
    if (node == kNoNode) continue;
    const PageEdit* const page = pages_->find(node / graph_.layout.nodes);
    if (page == nullptr || page->cell() == best) continue;
    const float distance = graph_.cells.distance(place_.data(), page->cell());
    if (best != kNoCell && distance >= best_distance) continue;
    best = page->cell();
    best_distance = distance;
  }
  return best;
}

void GraphEditor::set_place(const NewNode& node) {
  const CollectionOptions& options = graph_.shape.options;
  graph_.space.map_rows(VectorView(options.type, node.row, options.dim), place_.data(), nullptr);
}

std::vector<uint32_t> GraphEditor::pages_with_room(std::span<const NewNode> nodes,
                                                   std::span<const NearPoints> near) {
  std::unordered_map<uint32_t, size_t> coming;  // nodes, by cell
  for (size_t i = 0; i < nodes.size(); ++i) {
    set_place(nodes[i]);
    std::vector<uint32_t> slots;
    for (const NearPoints::Point& point : near[i].points()) {
      if (slots.size() < kVoters) slots.push_back(point.slot);
    }
    const uint32_t cell = choose_cell(slots);
    if (cell != kNoCell) ++coming[cell];
  }
  std::vector<uint32_t> wanted;
  for (const auto& [cell, count] : coming) {
    size_t room = 0;  // at hand
    std::vector<std::pair<uint32_t, uint32_t>> others;
    for (const uint32_t number : graph_.cell_pages[cell]) {
      const uint32_t free = graph_.layout.nodes - graph_.count_on(number);
      if (pages_->find(number) != nullptr) {
        room += free;
      } else if (free > 0) {
        others.push_back({free, number});
      }
    }
    std::sort(others.rbegin(), others.rend());
    for (size_t i = 0; i < others.size() && room < count; ++i) {
      wanted.push_back(others[i].second);
      room += others[i].first;
    }
  }
  std::sort(wanted.begin(), wanted.end());
  return wanted;
}

// In the cell whose centroid is nearest; there, each of the nearest points votes for its page, the
// nearer the more. Where no page of these is at hand those vote whose pages are held.
PageEdit& GraphEditor::choose_page(const NearPoints& near) {
  struct Votes {
    PageEdit* page;
    float votes;
  };
  std::vector<uint32_t> voters;
  for (size_t i = 0; i < std::min(kVoters, candidates_.size()); ++i) {
    voters.push_back(candidates_[i].slot);
  }
  uint32_t cell = choose_cell(voters);
  if (cell == kNoCell) {
    voters.clear();
    for (const NearPoints::Point& point : near.points()) voters.push_back(point.slot);
    cell = choose_cell(voters);
  }
  if (cell == kNoCell) {  // the first node of all
    const uint32_t number = numbers_.take();
    made_pages_.push_back(number);
    return pages_->make(number, 0);
  }
  std::vector<Votes> pages;
  for (size_t i = 0; i < voters.size(); ++i) {
    PageEdit* const page = where(voters[i]).page;
    if (page == nullptr || page->cell() != cell) continue;
    auto found = std::find_if(pages.begin(), pages.end(),
                              [&](const Votes& votes) { return votes.page == page; });
    if (found == pages.end()) found = pages.insert(pages.end(), {page, 0});
    found->votes += 1.0f / static_cast<float>(i + 2);
  }
  std::stable_sort(pages.begin(), pages.end(),
                   [](const Votes& a, const Votes& b) { return a.votes > b.votes; });
  for (const Votes& votes : pages) {
    if (!votes.page->is_full()) return *votes.page;
  }
  if (PageEdit* const page = roomy_page(cell)) return *page;
  return split(*pages.front().page);
}

// Of the pages of a cell that are at hand and have room the one whose points are nearest to the
// node at hand, in the mean; null where none has.
PageEdit* GraphEditor::roomy_page(uint32_t cell) {
  PageEdit* best = nullptr;
  float best_mean = 0;
  std::vector<uint32_t> numbers = graph_.cell_pages[cell];
  numbers.insert(numbers.end(), made_pages_.begin(), made_pages_.end());
  for (const uint32_t number : numbers) {
    PageEdit* const page = pages_->find(number);
    if (page == nullptr || page->cell() != cell || page->is_full() || page->count() == 0) continue;
    float sum = 0;
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (page->has(place)) sum += space_.distance(point_.data(), point_of(page->slot(place)));
    }
    distance_computations_ += page->count();
    const float mean = sum / static_cast<float>(page->count());
    if (best != nullptr && mean >= best_mean) continue;
    best = page;
    best_mean = mean;
  }
  return best;
}

// Moves about half of a page's nodes to a new page; returns the one that is nearer to the node at
// hand. Of a page of one node none moves.
PageEdit& GraphEditor::split(PageEdit& page) {
  const uint32_t count = graph_.layout.nodes;
  const uint32_t number = numbers_.take();
  PageEdit& other = pages_->make(number, page.cell());
  made_pages_.push_back(number);
  if (count == 1) return other;
  const size_t point_bytes = space_.point_bytes();
  std::vector<std::byte> rows(count * point_bytes);
  for (uint32_t place = 0; place < count; ++place) {
    space_.of_row(page.row(place), rows.data() + place * point_bytes);
  }
  const auto distance = [&](uint32_t a, uint32_t b) {
    return space_.distance(rows.data() + a * point_bytes, rows.data() + b * point_bytes);
  };
  // Two that are far from each other: the farthest from the first, and the farthest from that.
  const auto farthest = [&](uint32_t from) {
    uint32_t best = from == 0 ? 1 : 0;
    for (uint32_t i = 0; i < count; ++i) {
      if (i != from && distance(from, i) > distance(from, best)) best = i;
    }
    return best;
  };
  const uint32_t left = farthest(0);
  const uint32_t right = farthest(left);
  std::vector<std::pair<float, uint32_t>> order(count);  // the more to the right, the later
  for (uint32_t i = 0; i < count; ++i) order[i] = {distance(left, i) - distance(right, i), i};
  std::sort(order.begin(), order.end());
  const auto sign =
      std::find_if(order.begin(), order.end(), [](const auto& one) { return one.first > 0; });
  const auto natural = static_cast<uint32_t>(sign - order.begin());
  const uint32_t kept =
      std::clamp(natural, std::max(1u, count / 3), count - std::max(1u, count / 3));
  for (uint32_t i = kept; i < count; ++i) {
    const uint32_t place = order[i].second;
    const uint32_t slot = page.slot(place);
    set_node(slot, other.node(other.add(page.record(place))));
    page.remove(place);
  }
  const float to_left = space_.distance(point_.data(), rows.data() + left * point_bytes);
  const float to_right = space_.distance(point_.data(), rows.data() + right * point_bytes);
  return to_left <= to_right ? page : other;
}

}  // namespace roxanne::index
