#include "index/page_cache.h"

#include <algorithm>
#include <cstring>
#include <thread>

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

uint64_t PageCache::bytes_of(uint64_t pages) const {
  return (pages + kShards - 1) / kShards * kShards * (page_bytes_ + kEntryBytes);
}

void PageCache::resize(uint64_t bytes) {
  const uint64_t row_bytes = bytes_of(kShards);  // one place of every shard
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
  part.copying = std::make_unique<std::atomic<uint32_t>[]>(kShards * pages_per_shard);
  part.pages_per_shard = pages_per_shard;
  for (size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    const std::lock_guard lock(shard.mutex);
    for (size_t at = i * pages_per_shard; at < (i + 1) * pages_per_shard; ++at) {
      shard.memory.push_back({part.memory.data() + at * page_bytes_, &part.copying[at]});
    }
    shard.page_of.resize(shard.memory.size(), kNone);
    shard.was_used.resize(shard.memory.size(), false);
    shard.asked.assign(kAskedFactor * shard.memory.size(), kNone);
  }
  bytes_ += bytes_of(kShards * pages_per_shard);
}

void PageCache::take_part_out() {
  const size_t gone = parts_.back().pages_per_shard;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    const size_t left = shard.memory.size() - gone;
    for (size_t place = left; place < shard.used; ++place) shard.places.erase(shard.page_of[place]);
    std::erase_if(shard.vacant, [left](uint32_t place) { return place >= left; });
    shard.memory.resize(left);
    shard.page_of.resize(left);
    shard.was_used.resize(left);
    shard.asked.assign(kAskedFactor * left, kNone);
    shard.used = std::min(shard.used, left);
    shard.hand = 0;
  }
  bytes_ -= bytes_of(kShards * gone);
  // Nobody begins to copy there any more.
  for (size_t at = 0; at < kShards * gone; ++at) {
    while (parts_.back().copying[at].load(std::memory_order_acquire) != 0) {
      std::this_thread::yield();
    }
  }
  parts_.pop_back();
}

bool PageCache::contains(uint32_t page) { return use_of(page).is_here; }

bool PageCache::find(uint32_t page, std::span<std::byte> out, Reader reader) {
  if (bytes_ == 0) return false;
  Shard& shard = shard_of(page);
  Place from;
  {
    const std::lock_guard lock(shard.mutex);
    const uint32_t* const place = shard.places.find(page);
    if (place == nullptr) return false;
    if (reader == Reader::kSearch) shard.was_used[*place] = true;
    from = shard.memory[*place];
    from.copying->fetch_add(1, std::memory_order_relaxed);
  }
  std::memcpy(out.data(), from.bytes, page_bytes_);
  from.copying->fetch_sub(1, std::memory_order_release);
  return true;
}

void PageCache::offer(uint32_t page, std::span<const std::byte> bytes, Reader reader) {
  if (bytes_ == 0) return;
  Shard& shard = shard_of(page);
  std::optional<Filling> filling;
  {
    const std::lock_guard lock(shard.mutex);
    if (shard.memory.empty() || shard.places.contains(page)) return;
    if (reader == Reader::kChange && is_full(shard)) return;
    uint32_t& asked = shard.asked[hash_of(page) % shard.asked.size()];
    if (asked != page && is_full(shard)) {
      asked = page;
      return;
    }
    filling = begin_filling(shard, reader);
  }
  if (filling.has_value()) put(shard, *filling, page, bytes, false);
}

std::optional<PageCache::Filling> PageCache::begin_filling(Shard& shard, Reader reader) {
  const std::optional<size_t> place = take_place(shard, reader);
  if (!place.has_value()) return std::nullopt;
  shard.page_of[*place] = kNone;
  shard.was_used[*place] = false;
  const Place memory = shard.memory[*place];
  memory.copying->fetch_add(1, std::memory_order_relaxed);
  return Filling{static_cast<uint32_t>(*place), memory};
}

// Its own place may have gone meanwhile, and another thread may have brought the same page.
void PageCache::put(Shard& shard, const Filling& filling, uint32_t page,
                    std::span<const std::byte> bytes, bool was_used) {
  std::memcpy(filling.memory.bytes, bytes.data(), page_bytes_);
  const std::lock_guard lock(shard.mutex);
  if (filling.place < shard.memory.size()) {
    bool is_new;
    uint32_t& place = shard.places.at(page, is_new);
    if (is_new) {
      place = filling.place;
      shard.page_of[place] = page;
      shard.was_used[place] = was_used;
    } else {
      shard.vacant.push_back(filling.place);
    }
  }
  filling.memory.copying->fetch_sub(1, std::memory_order_release);
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
  std::optional<Filling> filling;
  {
    const std::lock_guard lock(shard.mutex);
    forget(shard, next);  // what was there before
    if (!is_full(shard)) filling = begin_filling(shard, Reader::kChange);
  }
  if (filling.has_value()) put(shard, *filling, next, bytes, use.was_used);
}

void PageCache::end_move(uint32_t page, uint32_t next, std::span<const std::byte> bytes) {
  const Use use = use_of(page);
  drop(page);
  if (!use.is_here) return;
  Shard& shard = shard_of(next);
  std::optional<Filling> filling;
  {
    const std::lock_guard lock(shard.mutex);
    if (!shard.memory.empty() && !shard.places.contains(next))
      filling = begin_filling(shard, Reader::kSearch);
  }
  if (filling.has_value()) put(shard, *filling, next, bytes, use.was_used);
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

// A vacant place, or, for a search, that of the first page that was not used since the hand passed
// it; none where each is being copied.
std::optional<size_t> PageCache::take_place(Shard& shard, Reader reader) {
  for (size_t i = shard.vacant.size(); i-- > 0;) {
    const size_t place = shard.vacant[i];
    if (!shard.memory[place].is_free()) continue;
    shard.vacant[i] = shard.vacant.back();
    shard.vacant.pop_back();
    return place;
  }
  if (shard.used < shard.memory.size()) return shard.used++;
  if (reader == Reader::kChange) return std::nullopt;
  for (size_t passed = 0; passed < 2 * shard.memory.size(); ++passed) {
    const size_t place = shard.hand;
    shard.hand = (shard.hand + 1) % shard.memory.size();
    if (shard.was_used[place]) {
      shard.was_used[place] = false;
      continue;
    }
    if (shard.page_of[place] == kNone || !shard.memory[place].is_free()) continue;
    shard.places.erase(shard.page_of[place]);
    return place;
  }
  return std::nullopt;
}

}  // namespace roxanne::index
