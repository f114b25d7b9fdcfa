// The pages that a piece of an update has read: searches that run for it find them here, as long as
// there is room; those that they hold are changed, written together and let go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "index/number_set.h"
#include "index/page_edit.h"

namespace roxanne::index {

class PagesUnderWay {
 public:
  explicit PagesUnderWay(const DiskGraph& graph) : graph_(graph) {}

  // Where more than so many pages are here, those which nobody holds make room for others.
  void set_room(size_t pages) { room_ = pages; }

  // May run at once, while nothing else does:
  // Copies a page to `out` where it is here.
  bool copy(uint32_t page, std::span<std::byte> out) const;
  // Keeps a copy of a page, for good.
  void keep(uint32_t page, const std::byte* bytes);
  // Has a copy of a page, which may go any time unless it is held; then holds pages, of those that
  // are here, and lets others go, each as often as it is named.
  void show(uint32_t page, const std::byte* bytes, std::span<const uint32_t> hold,
            std::span<const uint32_t> let_go);
  size_t held_count() const;

  // The same, but not while pages are kept:
  PageEdit* find(uint32_t page);

  // One thread's:
  // A page that there was not.
  PageEdit& make(uint32_t page, uint32_t cell);
  // In ascending order.
  std::vector<PageEdit*> dirty_pages();
  // Makes a page here what it has become there.
  void take_over(const PageEdit& page);
  void clear();    // the memory stays
  void release();  // it goes

  static constexpr size_t kSlabPages = 64;

 private:
  struct Entry {
    std::optional<PageEdit> page;
    uint32_t holds = 0;
  };
  std::byte* take_buffer();
  Entry& entry_of(uint32_t page, const std::byte* bytes);
  Entry& add(uint32_t page, uint32_t cell, std::byte* buffer);
  Entry* find_idle();
  void hold(Entry& entry);

  const DiskGraph& graph_;
  mutable std::mutex mutex_;  // guards all below while searches run
  std::deque<Entry> entries_;
  NumberMap<uint32_t> at_;  // by page: where in entries_
  size_t room_ = SIZE_MAX;
  size_t held_count_ = 0;
  size_t hand_ = 0;  // entries before it were looked at last for one that nobody holds
  std::deque<base::AlignedBuffer> slabs_;
  size_t buffers_used_ = 0;
};

}  // namespace roxanne::index
