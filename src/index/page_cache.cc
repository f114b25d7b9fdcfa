#include "index/page_cache.h"

#include <algorithm>
#include <cstring>

namespace roxanne::index {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
// Beside a page: its entries in the tables.
constexpr uint64_t kEntryBytes = 64;
// A page asked for once is remembered while so many others come, as a multiple of the pages held.
constexpr size_t kAskedFactor = 4;

size_t hash_of(uint32_t page) { return page * 0x9e3779b97f4a7c15ull >> 32; }

}  // namespace

PageCache::PageCache(uint64_t bytes, uint32_t page_bytes)
    : page_bytes_(page_bytes),
      pages_per_shard_(std::max<size_t>(1, bytes / (page_bytes + kEntryBytes) / kShards)),
      memory_(kShards * pages_per_shard_ * page_bytes),
      shards_(kShards) {
  bytes_ = kShards * pages_per_shard_ * (page_bytes_ + kEntryBytes);
  for (size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    shard.pages = memory_.data() + i * pages_per_shard_ * page_bytes_;
    shard.page_of.assign(pages_per_shard_, kNone);
    shard.was_used.assign(pages_per_shard_, false);
    shard.asked.assign(kAskedFactor * pages_per_shard_, kNone);
  }
}

bool PageCache::find(uint32_t page, std::span<std::byte> out, Reader reader) {
  Shard& shard = shard_of(page);
  std::lock_guard lock(shard.mutex);
  const auto found = shard.places.find(page);
  if (found == shard.places.end()) return false;
  std::memcpy(out.data(), shard.pages + size_t{found->second} * page_bytes_, page_bytes_);
  if (reader == Reader::kSearch) shard.was_used[found->second] = true;
  return true;
}

void PageCache::offer(uint32_t page, std::span<const std::byte> bytes, Reader reader) {
  Shard& shard = shard_of(page);
  std::lock_guard lock(shard.mutex);
  if (shard.places.contains(page)) return;
  if (reader == Reader::kChange && is_full(shard)) return;
  uint32_t& asked = shard.asked[hash_of(page) % shard.asked.size()];
  if (asked != page && is_full(shard)) {
    asked = page;
    return;
  }
  put(shard, page, bytes, false);
}

void PageCache::put(Shard& shard, uint32_t page, std::span<const std::byte> bytes, bool was_used) {
  const size_t place = take_place(shard);
  std::memcpy(shard.pages + place * page_bytes_, bytes.data(), page_bytes_);
  shard.page_of[place] = page;
  shard.was_used[place] = was_used;
  shard.places[page] = static_cast<uint32_t>(place);
}

PageCache::Use PageCache::use_of(uint32_t page) {
  Shard& shard = shard_of(page);
  std::lock_guard lock(shard.mutex);
  const auto found = shard.places.find(page);
  if (found == shard.places.end()) return {};
  return {.is_here = true, .was_used = shard.was_used[found->second]};
}

void PageCache::begin_move(uint32_t page, uint32_t next, std::span<const std::byte> bytes) {
  const Use use = use_of(page);
  Shard& shard = shard_of(next);
  std::lock_guard lock(shard.mutex);
  forget(shard, next);  // what was there before
  if (!is_full(shard)) put(shard, next, bytes, use.was_used);
}

void PageCache::end_move(uint32_t page, uint32_t next, std::span<const std::byte> bytes) {
  const Use use = use_of(page);
  drop(page);
  Shard& shard = shard_of(next);
  std::lock_guard lock(shard.mutex);
  if (use.is_here && !shard.places.contains(next)) put(shard, next, bytes, use.was_used);
}

void PageCache::drop(uint32_t page) {
  Shard& shard = shard_of(page);
  std::lock_guard lock(shard.mutex);
  forget(shard, page);
}

void PageCache::forget(Shard& shard, uint32_t page) {
  const auto found = shard.places.find(page);
  if (found == shard.places.end()) return;
  const uint32_t place = found->second;
  shard.page_of[place] = kNone;
  shard.was_used[place] = false;
  shard.vacant.push_back(place);
  shard.places.erase(found);
}

// A vacant place, or that of the first page that was not used since the hand passed it.
size_t PageCache::take_place(Shard& shard) {
  if (!shard.vacant.empty()) {
    const size_t place = shard.vacant.back();
    shard.vacant.pop_back();
    return place;
  }
  if (shard.used < pages_per_shard_) return shard.used++;
  for (;;) {
    const size_t place = shard.hand;
    shard.hand = (shard.hand + 1) % pages_per_shard_;
    if (shard.was_used[place]) {
      shard.was_used[place] = false;
      continue;
    }
    shard.places.erase(shard.page_of[place]);
    return place;
  }
}

}  // namespace roxanne::index
