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
// Memory comes in parts of at most so much, and is given back by the part.
constexpr uint64_t kPartBytes = 4u << 20;

size_t hash_of(uint32_t page) { return page * 0x9e3779b97f4a7c15ull >> 32; }

}  // namespace

PageCache::PageCache(uint32_t page_bytes) : page_bytes_(page_bytes), shards_(kShards) {}

void PageCache::resize(uint64_t bytes) {
  const uint64_t row_bytes = kShards * (page_bytes_ + kEntryBytes);  // one place of every shard
  while (bytes_ > bytes) take_part_out();
  const auto pages_most = static_cast<size_t>(std::max<uint64_t>(1, kPartBytes / row_bytes));
  while (bytes - bytes_ >= row_bytes) {
    const auto wanted = static_cast<size_t>((bytes - bytes_) / row_bytes);
    add_part(std::min(wanted, pages_most));
  }
}

void PageCache::add_part(size_t pages_per_shard) {
  Part& part = parts_.emplace_back();
  part.memory = base::AlignedBuffer(kShards * pages_per_shard * page_bytes_);
  part.pages_per_shard = pages_per_shard;
  for (size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    std::byte* const first = part.memory.data() + i * pages_per_shard * page_bytes_;
    const std::lock_guard lock(shard.mutex);
    for (size_t place = 0; place < pages_per_shard; ++place) {
      shard.bytes_at.push_back(first + place * page_bytes_);
    }
    shard.page_of.resize(shard.bytes_at.size(), kNone);
    shard.was_used.resize(shard.bytes_at.size(), false);
    shard.asked.assign(kAskedFactor * shard.bytes_at.size(), kNone);
  }
  bytes_ += kShards * pages_per_shard * (page_bytes_ + kEntryBytes);
}

void PageCache::take_part_out() {
  const size_t gone = parts_.back().pages_per_shard;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    const size_t left = shard.bytes_at.size() - gone;
    for (size_t place = left; place < shard.used; ++place) shard.places.erase(shard.page_of[place]);
    std::erase_if(shard.vacant, [left](uint32_t place) { return place >= left; });
    shard.bytes_at.resize(left);
    shard.page_of.resize(left);
    shard.was_used.resize(left);
    shard.asked.assign(kAskedFactor * left, kNone);
    shard.used = std::min(shard.used, left);
    shard.hand = 0;
  }
  bytes_ -= kShards * gone * (page_bytes_ + kEntryBytes);
  parts_.pop_back();
}

bool PageCache::find(uint32_t page, std::span<std::byte> out, Reader reader) {
  if (bytes_ == 0) return false;
  Shard& shard = shard_of(page);
  std::lock_guard lock(shard.mutex);
  const uint32_t* const place = shard.places.find(page);
  if (place == nullptr) return false;
  std::memcpy(out.data(), shard.bytes_at[*place], page_bytes_);
  if (reader == Reader::kSearch) shard.was_used[*place] = true;
  return true;
}

void PageCache::offer(uint32_t page, std::span<const std::byte> bytes, Reader reader) {
  if (bytes_ == 0) return;
  Shard& shard = shard_of(page);
  std::lock_guard lock(shard.mutex);
  if (shard.bytes_at.empty() || shard.places.contains(page)) return;
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
  std::memcpy(shard.bytes_at[place], bytes.data(), page_bytes_);
  shard.page_of[place] = page;
  shard.was_used[place] = was_used;
  bool is_new;
  shard.places.at(page, is_new) = static_cast<uint32_t>(place);
}

PageCache::Use PageCache::use_of(uint32_t page) {
  Shard& shard = shard_of(page);
  std::lock_guard lock(shard.mutex);
  const uint32_t* const place = shard.places.find(page);
  if (place == nullptr) return {};
  return {.is_here = true, .was_used = shard.was_used[*place]};
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
  if (use.is_here && !shard.bytes_at.empty() && !shard.places.contains(next))
    put(shard, next, bytes, use.was_used);
}

void PageCache::drop(uint32_t page) {
  Shard& shard = shard_of(page);
  std::lock_guard lock(shard.mutex);
  forget(shard, page);
}

void PageCache::forget(Shard& shard, uint32_t page) {
  const uint32_t* const found = shard.places.find(page);
  if (found == nullptr) return;
  const uint32_t place = *found;
  shard.page_of[place] = kNone;
  shard.was_used[place] = false;
  shard.vacant.push_back(place);
  shard.places.erase(page);
}

// A vacant place, or that of the first page that was not used since the hand passed it.
size_t PageCache::take_place(Shard& shard) {
  if (!shard.vacant.empty()) {
    const size_t place = shard.vacant.back();
    shard.vacant.pop_back();
    return place;
  }
  if (shard.used < shard.bytes_at.size()) return shard.used++;
  for (;;) {
    const size_t place = shard.hand;
    shard.hand = (shard.hand + 1) % shard.bytes_at.size();
    if (shard.was_used[place]) {
      shard.was_used[place] = false;
      continue;
    }
    shard.places.erase(shard.page_of[place]);
    return place;
  }
}

}  // namespace roxanne::index
