#include "index/waiting_links.h"

#include <algorithm>

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

uint32_t& WaitingLinks::first_of(uint32_t from) {
  // Fibonacci hashing: neighbouring slots are the usual case.
  return first_[(from * 0x9e3779b97f4a7c15ull >> 32) % first_.size()];
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
    entry.next = free_;
    free_ = number;
    --count_;
  }
}

void WaitingLinks::add(uint32_t from, const Link& link) {
  if (is_full()) return;
  const uint32_t number = free_;
  free_ = entries_[number].next;
  uint32_t& first = first_of(from);
  entries_[number] = {from, link, first};
  first = number;
  ++count_;
}

std::vector<WaitingLinks::Link> WaitingLinks::take(uint32_t from) {
  std::vector<Link> links;
  free_where(first_of(from), [&](const Entry& entry) {
    if (entry.from == from) links.push_back(entry.link);
    return entry.from == from;
  });
  return links;
}

void WaitingLinks::forget(std::span<const uint32_t> slots) {
  if (count_ == 0 || slots.empty()) return;
  std::vector<uint32_t> gone(slots.begin(), slots.end());
  std::sort(gone.begin(), gone.end());
  const auto is_gone = [&](uint32_t slot) {
    return std::binary_search(gone.begin(), gone.end(), slot);
  };
  for (uint32_t& first : first_) {
    free_where(first,
               [&](const Entry& entry) { return is_gone(entry.from) || is_gone(entry.link.to); });
  }
}

}  // namespace roxanne::index
