// Edges back to new nodes that would cost a page more to be written: they wait until their page is
// written anyway. Lost with the process, which costs no more than an edge is worth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace roxanne::index {

class WaitingLinks {
 public:
  struct Link {
    uint32_t to;     // slot
    float distance;  // between the two, in the link space
  };

  // Takes about so much memory at the most.
  explicit WaitingLinks(uint64_t bytes) : bytes_most_(bytes) {}

  // Where there is no room it is forgotten.
  void add(uint32_t from, const Link& link);
  // All that wait for a slot's page to be written. They wait no more.
  std::vector<Link> take(uint32_t from);
  // Slots that are gone: others may come there.
  void forget(std::span<const uint32_t> slots);

  size_t count() const { return count_; }

 private:
  // Of a slot's entry, and of a link in a list that grows.
  static constexpr uint64_t kEntryBytes = 96;
  static constexpr uint64_t kLinkBytes = 2 * sizeof(Link);

  const uint64_t bytes_most_;
  size_t count_ = 0;
  std::unordered_map<uint32_t, std::vector<Link>> links_;  // by the slot that they lead from
};

}  // namespace roxanne::index
