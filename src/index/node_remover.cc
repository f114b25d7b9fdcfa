#include "index/node_remover.h"

#include <algorithm>

#include "base/background.h"
#include "base/status_macros.h"

namespace roxanne::index {
namespace {

void sort_unique(std::vector<uint32_t>& numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

}  // namespace

// Those that led to a node and are of its cell are mended. Others lie on a page each, and cells are
// scanned as a whole: searches do without their edge until the page is written again.
Status NodeRemover::remove(std::span<const uint32_t> slots, PagesUnderWay& pages) {
  std::vector<uint32_t> numbers;
  // Pieces before may have moved them.
  for (const uint32_t slot : slots) numbers.push_back(editor_.page_of(slot));
  ROX_RETURN_IF_ERROR(fetch(numbers, pages));
  for (const uint32_t slot : slots) {
    const uint32_t cell = pages.find(editor_.page_of(slot))->cell();
    for (const uint32_t neighbour : editor_.neighbours_of(slot)) {
      const uint32_t page = editor_.page_of(neighbour);
      if (graph_.page_cells[page] == cell) numbers.push_back(page);
    }
  }
  ROX_RETURN_IF_ERROR(fetch(numbers, pages));
  for (const uint32_t slot : slots) {
    editor_.remove(slot);
    base::give_way();
  }
  return merge_thinned(pages);
}

Status NodeRemover::fetch(std::vector<uint32_t>& numbers, PagesUnderWay& pages) {
  sort_unique(numbers);
  return fetcher_.fetch(numbers, pages);
}

// Pages with few nodes give them to others of their cell, and go.
Status NodeRemover::merge_thinned(PagesUnderWay& pages) {
  std::vector<uint32_t> thinned = editor_.thinned_pages();
  sort_unique(thinned);
  const uint32_t few = std::max(1u, graph_.layout.nodes / 3);
  for (const uint32_t number : thinned) {
    PageEdit& page = *pages.find(number);
    if (page.count() > few) continue;
    if (page.count() > 0) {
      const uint32_t partner = partner_of(page, pages);
      if (partner == kNoCell) continue;
      ROX_RETURN_IF_ERROR(fetcher_.fetch({&partner, 1}, pages));
      editor_.merge(page, *pages.find(partner));
    }
    page.set_cell(kNoCell);
  }
  return Status::ok();
}

// The fullest page of the cell that has room for all of a page's nodes; kNoCell where none has.
uint32_t NodeRemover::partner_of(const PageEdit& page, PagesUnderWay& pages) const {
  uint32_t best = kNoCell;
  uint32_t best_count = 0;
  for (const uint32_t number : graph_.cell_pages[page.cell()]) {
    if (number == page.number()) continue;
    const PageEdit* const other = pages.find(number);
    if (other != nullptr && other->cell() != page.cell()) continue;
    const uint32_t count = count_of(number, pages);
    if (count + page.count() > graph_.layout.nodes || count <= best_count) continue;
    best = number;
    best_count = count;
  }
  return best;
}

uint32_t NodeRemover::count_of(uint32_t number, PagesUnderWay& pages) const {
  if (PageEdit* const page = pages.find(number); page != nullptr) return page->count();
  return graph_.count_on(number);
}

}  // namespace roxanne::index
