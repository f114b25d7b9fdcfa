#include "index/pages_under_way.h"

#include <algorithm>
#include <cstring>

namespace roxanne::index {

bool PagesUnderWay::copy(uint32_t page, std::span<std::byte> out) const {
  const std::lock_guard lock(mutex_);
  const uint32_t* const found = at_.find(page);
  if (found == nullptr) return false;
  std::memcpy(out.data(), pages_[*found].bytes(), out.size());
  return true;
}

void PagesUnderWay::keep(uint32_t page, const std::byte* bytes) {
  const std::lock_guard lock(mutex_);
  if (at_.contains(page)) return;
  std::byte* buffer = take_buffer();
  std::memcpy(buffer, bytes, graph_.layout.page_bytes);
  add(page, graph_.page_cells[page], buffer);
}

size_t PagesUnderWay::count() const {
  const std::lock_guard lock(mutex_);
  return pages_.size();
}

PageEdit* PagesUnderWay::find(uint32_t page) {
  const uint32_t* const found = at_.find(page);
  return found == nullptr ? nullptr : &pages_[*found];
}

PageEdit& PagesUnderWay::make(uint32_t page, uint32_t cell) {
  std::byte* buffer = take_buffer();
  std::memset(buffer, 0, graph_.layout.page_bytes);
  return add(page, cell, buffer);
}

PageEdit& PagesUnderWay::add(uint32_t page, uint32_t cell, std::byte* buffer) {
  bool is_new;
  at_.at(page, is_new) = static_cast<uint32_t>(pages_.size());
  return pages_.emplace_back(graph_, page, cell, buffer);
}

std::vector<PageEdit*> PagesUnderWay::dirty_pages() {
  std::vector<PageEdit*> dirty;
  for (PageEdit& page : pages_) {
    if (page.is_dirty()) dirty.push_back(&page);
  }
  std::sort(dirty.begin(), dirty.end(),
            [](const PageEdit* a, const PageEdit* b) { return a->number() < b->number(); });
  return dirty;
}

void PagesUnderWay::take_over(const PageEdit& page) {
  PageEdit* here = find(page.number());
  if (here == nullptr) here = &make(page.number(), page.cell());
  std::memcpy(here->bytes(), page.bytes(), graph_.layout.page_bytes);
  here->renew(page.cell());
}

void PagesUnderWay::clear() {
  pages_.clear();
  at_.clear();
  buffers_used_ = 0;
}

void PagesUnderWay::release() {
  clear();
  slabs_.clear();
}

std::byte* PagesUnderWay::take_buffer() {
  const size_t page_bytes = graph_.layout.page_bytes;
  if (buffers_used_ == slabs_.size() * kSlabPages) {
    slabs_.emplace_back(kSlabPages * page_bytes);
  }
  const size_t at = buffers_used_++;
  return slabs_[at / kSlabPages].data() + at % kSlabPages * page_bytes;
}

}  // namespace roxanne::index
