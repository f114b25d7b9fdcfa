// How much of a page file may lie idle. Only page_store*.cc includes this.
#pragma once

#include <algorithm>
#include <cstdint>

#include "storage/free_pages.h"

namespace roxanne::storage {

// Free pages kept at the file's end, and added when it grows: a small file has few, a growing one
// 4 MiB.
inline uint32_t spare_pages(uint32_t page_count, uint32_t page_bytes) {
  constexpr uint32_t kSpareBytes = 4u << 20;
  constexpr uint32_t kSpareShare = 16;
  return std::min(kSpareBytes / page_bytes, page_count / kSpareShare);
}

// Whether holes are filled before the file grows: at most an eighth of what pages that change all
// the time take up lies idle.
inline bool is_much_free(const FreePages& free) {
  constexpr uint32_t kFreeShare = 8;
  return free.free_count() > free.page_count() / kFreeShare;
}

// Whether the space of holes is given back. Well above what changes alone leave free: to punch a
// hole and to fill it again costs more than to fill it.
inline bool is_mostly_idle(const FreePages& free) {
  constexpr uint32_t kIdleShare = 4;
  return free.free_count() > free.page_count() / kIdleShare;
}

}  // namespace roxanne::storage
