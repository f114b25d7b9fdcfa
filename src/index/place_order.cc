#include "index/place_order.h"

#include <algorithm>
#include <tuple>

#include "base/background.h"

namespace roxanne::index {
namespace {

// Slots that are gone are forgotten where so many more are known than wait.
constexpr size_t kKnownShare = 4;
constexpr size_t kKnownLeast = 256;

}  // namespace

bool PlaceOrder::Keyed::operator<(const Keyed& other) const {
  return std::tie(group, cell, index) < std::tie(other.group, other.cell, other.index);
}

std::vector<uint32_t> PlaceOrder::choose(std::span<const NewNode> waiting, size_t count) {
  if (cell_of_.size() > kKnownShare * waiting.size() + kKnownLeast) cell_of_.clear();
  std::vector<Keyed> order = keyed(waiting);
  const auto from = std::find_if(order.begin(), order.end(), [&](const Keyed& one) {
    return std::tie(one.group, one.cell) > std::tie(last_chosen_.group, last_chosen_.cell);
  });
  std::rotate(order.begin(), from, order.end());
  std::vector<uint32_t> chosen;
  for (size_t i = 0; i < std::min(count, order.size()); ++i) chosen.push_back(order[i].index);
  if (!chosen.empty()) last_chosen_ = order[chosen.size() - 1];
  return chosen;
}

std::vector<NewNode> PlaceOrder::take(std::span<const NewNode> nodes) {
  std::vector<NewNode> sorted;
  for (const Keyed& one : keyed(nodes)) {
    sorted.push_back(nodes[one.index]);
    cell_of_.erase(nodes[one.index].slot);
  }
  return sorted;
}

std::vector<PlaceOrder::Keyed> PlaceOrder::keyed(std::span<const NewNode> nodes) {
  std::vector<Keyed> order;
  const CollectionOptions& options = graph_.shape.options;
  std::vector<float> place(options.dim);
  Cells::Scratch scratch;
  std::vector<NearCell> nearest;
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    const auto [known, is_new] = cell_of_.try_emplace(nodes[i].slot, 0);
    if (is_new) {
      base::give_way();  // to searches
      graph_.space.map_rows(VectorView(options.type, nodes[i].row, options.dim), place.data(),
                            nullptr);
      graph_.cells.nearest(place.data(), 1, scratch, nearest);
      known->second = nearest.empty() ? 0 : nearest.front().cell;
    }
    order.push_back({graph_.cells.group_of(known->second), known->second, i});
  }
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace roxanne::index
