#include "index/pages_under_way.h"

#include <algorithm>
#include <cstring>

namespace roxanne::index {

bool PagesUnderWay::copy(uint32_t page, std::span<std::byte> out) const {
  const std::lock_guard lock(mutex_);
  const uint32_t* const found = at_.find(page);
  if (found == nullptr) return false;
  std::memcpy(out.data(), entries_[*found].page->bytes(), out.size());
  return true;
}

void PagesUnderWay::keep(uint32_t page, const std::byte* bytes) {
  const std::lock_guard lock(mutex_);
  hold(entry_of(page, bytes));
}

void PagesUnderWay::show(uint32_t page, const std::byte* bytes, std::span<const uint32_t> hold_too,
                         std::span<const uint32_t> let_go) {
  const std::lock_guard lock(mutex_);
  entry_of(page, bytes);
  for (const uint32_t one : hold_too) {
    if (const uint32_t* const found = at_.find(one)) hold(entries_[*found]);
  }
  for (const uint32_t one : let_go) {
    const uint32_t* const found = at_.find(one);
    if (found != nullptr && --entries_[*found].holds == 0) --held_count_;
  }
}

void PagesUnderWay::hold(Entry& entry) {
  if (entry.holds++ == 0) ++held_count_;
}

size_t PagesUnderWay::held_count() const {
  const std::lock_guard lock(mutex_);
  return held_count_;
}

PageEdit* PagesUnderWay::find(uint32_t page) {
  const uint32_t* const found = at_.find(page);
  return found == nullptr ? nullptr : &*entries_[*found].page;
}

PageEdit& PagesUnderWay::make(uint32_t page, uint32_t cell) {
  std::byte* buffer = take_buffer();
  std::memset(buffer, 0, graph_.layout.page_bytes);
  Entry& entry = add(page, cell, buffer);
  hold(entry);
  return *entry.page;
}

PagesUnderWay::Entry& PagesUnderWay::entry_of(uint32_t page, const std::byte* bytes) {
  if (const uint32_t* const found = at_.find(page)) return entries_[*found];
  Entry* const idle = entries_.size() < room_ ? nullptr : find_idle();
  std::byte* const buffer = idle == nullptr ? take_buffer() : idle->page->bytes();
  std::memcpy(buffer, bytes, graph_.layout.page_bytes);
  const uint32_t cell = graph_.page_cells[page];
  if (idle == nullptr) return add(page, cell, buffer);
  const uint32_t at = *at_.find(idle->page->number());
  at_.erase(idle->page->number());
  bool is_new;
  at_.at(page, is_new) = at;
  idle->page.emplace(graph_, page, cell, buffer);
  return *idle;
}

// One that nobody holds, the one that was looked at longest ago first; null where there is none.
PagesUnderWay::Entry* PagesUnderWay::find_idle() {
  if (held_count_ == entries_.size()) return nullptr;
  while (entries_[hand_ % entries_.size()].holds != 0) ++hand_;
  return &entries_[hand_++ % entries_.size()];
}

PagesUnderWay::Entry& PagesUnderWay::add(uint32_t page, uint32_t cell, std::byte* buffer) {
  bool is_new;
  at_.at(page, is_new) = static_cast<uint32_t>(entries_.size());
  Entry& entry = entries_.emplace_back();
  entry.page.emplace(graph_, page, cell, buffer);
  return entry;
}

std::vector<PageEdit*> PagesUnderWay::dirty_pages() {
  std::vector<PageEdit*> dirty;
  for (Entry& entry : entries_) {
    if (entry.page->is_dirty()) dirty.push_back(&*entry.page);
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
  entries_.clear();
  at_.clear();
  buffers_used_ = 0;
  held_count_ = 0;
  hand_ = 0;
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
