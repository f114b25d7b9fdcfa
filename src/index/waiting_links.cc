#include "index/waiting_links.h"

#include <algorithm>
#include <utility>

namespace roxanne::index {

void WaitingLinks::add(uint32_t from, const Link& link) {
  if ((links_.size() + 1) * kEntryBytes + (count_ + 1) * kLinkBytes > bytes_most_) return;
  links_[from].push_back(link);
  ++count_;
}

std::vector<WaitingLinks::Link> WaitingLinks::take(uint32_t from) {
  const auto found = links_.find(from);
  if (found == links_.end()) return {};
  std::vector<Link> links = std::move(found->second);
  links_.erase(found);
  count_ -= links.size();
  return links;
}

void WaitingLinks::forget(std::span<const uint32_t> slots) {
  if (count_ == 0 || slots.empty()) return;
  std::vector<uint32_t> gone(slots.begin(), slots.end());
  std::sort(gone.begin(), gone.end());
  const auto is_gone = [&](uint32_t slot) {
    return std::binary_search(gone.begin(), gone.end(), slot);
  };
  for (const uint32_t slot : gone) (void)take(slot);
  for (auto entry = links_.begin(); entry != links_.end();) {
    count_ -= std::erase_if(entry->second, [&](const Link& link) { return is_gone(link.to); });
    entry = entry->second.empty() ? links_.erase(entry) : std::next(entry);
  }
}

}  // namespace roxanne::index
