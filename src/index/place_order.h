// In what order new points are put into a disk graph: those that go to the same cell one after the
// other, since they share pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "index/disk_graph.h"
#include "index/graph_editor.h"

namespace roxanne::index {

// One thread's.
class PlaceOrder {
 public:
  // The graph outlives this.
  explicit PlaceOrder(const DiskGraph& graph) : graph_(graph) {}

  // Which of those that wait to put in next, so many at the most, near each other: from where the
  // last choice ended on, all around. Their indices.
  std::vector<uint32_t> choose(std::span<const NewNode> waiting, size_t count);
  // In order. They wait no more.
  std::vector<NewNode> take(std::span<const NewNode> nodes);

 private:
  struct Keyed {
    uint32_t group;
    uint32_t cell;
    uint32_t index;
    bool operator<(const Keyed& other) const;
  };
  // By cell, and cells by group.
  std::vector<Keyed> keyed(std::span<const NewNode> nodes);

  const DiskGraph& graph_;
  std::unordered_map<uint32_t, uint32_t> cell_of_;  // the nearest one, of slots that wait
  Keyed last_chosen_{};
};

}  // namespace roxanne::index
