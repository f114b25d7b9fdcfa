#include "index/waiting_links.h"

#include <algorithm>

#include "index/number_set.h"

namespace roxanne::index {

WaitingLinks::WaitingLinks(uint64_t bytes) {
  const size_t count = std::max<size_t>(1, bytes / (sizeof(Entry) + sizeof(uint32_t)));
  first_.assign(count, kNone);
  entries_.resize(count);
  for (size_t i = count; i-- > 0;) {
    entries_[i].next = free_;
    free_ = static_cast<uint32_t>(i);
  }
}

void WaitingLinks::prefetch_first(uint32_t from) const {
  const uint32_t first = first_[chain_of(from)];
  if (first != kNone) __builtin_prefetch(&entries_[first]);
}

template <typename IsWanted>
void WaitingLinks::free_where(uint32_t& first, const IsWanted& is_wanted) {
  for (uint32_t* at = &first; *at != kNone;) {
    const uint32_t number = *at;
    Entry& entry = entries_[number];
    if (!is_wanted(entry)) {
      at = &entry.next;
      continue;
    }
    *at = entry.next;
    entry.from = kNone;
    entry.next = free_;
    free_ = number;
    --count_;
  }
}

void WaitingLinks::add(uint32_t from, const Link& link) {
  if (is_full()) return;
  const uint32_t number = free_;
  free_ = entries_[number].next;
  uint32_t& first = first_[chain_of(from)];
  entries_[number] = {from, link, first};
  first = number;
  ++count_;
}

std::vector<WaitingLinks::Link> WaitingLinks::take(uint32_t from) {
  std::vector<Link> links;
  free_where(first_[chain_of(from)], [&](const Entry& entry) {
    if (entry.from == from) links.push_back(entry.link);
    return entry.from == from;
  });
  return links;
}

void WaitingLinks::forget(std::span<const uint32_t> slots) {
  if (count_ == 0 || slots.empty()) return;
  NumberSet gone;
  for (const uint32_t slot : slots) gone.insert(slot);
  const auto is_gone = [&](const Entry& entry) {
    return gone.contains(entry.from) || gone.contains(entry.link.to);
  };
  // One after the other as they lie in memory: chains jump about in it.
  for (const Entry& entry : entries_) {
    if (entry.from != kNone && is_gone(entry)) free_where(first_[chain_of(entry.from)], is_gone);
  }
}

}  // namespace roxanne::index
