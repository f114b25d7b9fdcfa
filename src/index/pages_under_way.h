// The pages that a piece of an update has read: searches that run for it find them here, then they
// are changed, written together and let go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "index/number_set.h"
#include "index/page_edit.h"

namespace roxanne::index {

class PagesUnderWay {
 public:
  explicit PagesUnderWay(const DiskGraph& graph) : graph_(graph) {}

  // May run at once, while nothing else does:
  // Copies a page to `out` where it is here.
  bool copy(uint32_t page, std::span<std::byte> out) const;
  // Keeps a copy of a page.
  void keep(uint32_t page, const std::byte* bytes);
  size_t count() const;

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
  std::byte* take_buffer();
  PageEdit& add(uint32_t page, uint32_t cell, std::byte* buffer);

  const DiskGraph& graph_;
  mutable std::mutex mutex_;  // guards all below while searches run
  std::deque<PageEdit> pages_;
  NumberMap<uint32_t> at_;  // by page: where in pages_
  std::deque<base::AlignedBuffer> slabs_;
  size_t buffers_used_ = 0;
};

}  // namespace roxanne::index
