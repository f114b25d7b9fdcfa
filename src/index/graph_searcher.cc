#include "index/graph_searcher.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "quantize/widen.h"

namespace roxanne::index {
namespace {

constexpr uint32_t kLookedAt = 1u << 31;
// Entries of the root that the pool begins with.
constexpr size_t kEntriesTaken = 4;
// Nodes whose records are fetched ahead of their turn.
constexpr size_t kNodesAhead = 2;

}  // namespace

GraphSearcher::GraphSearcher(const ResidentGraph& graph)
    : graph_(graph),
      exact_(graph.shape.options.type, graph.shape.options.metric, graph.shape.options.dim),
      codes_(graph.shape.code_dim, graph.shape.code_bits),
      centred_(graph.shape.options.dim),
      projected_(graph.shape.code_dim),
      marks_((static_cast<size_t>(graph.shape.node_count) + 63) / 64) {}

const std::vector<FoundNode>& GraphSearcher::search(const Request& request) {
  request_ = &request;
  answers_.clear();
  pool_max_ = request.search_list_size;
  pool_.resize(pool_max_ + 1);
  pool_size_ = 0;
  cursor_ = 0;
  bound_ = std::numeric_limits<float>::infinity();
  if (request.without != kNoNode) mark(request.without);
  prepare(request.query);
  enter_from_root();
  if (request.watch != nullptr) counts_.seed_us += request.watch->lap_us();
  walk();
  if (pool_size_ < pool_max_) visit_other_entries();
  clear_marks();
  if (request.watch != nullptr) counts_.walk_us += request.watch->lap_us();
  return answers_;
}

void GraphSearcher::walk() {
  while (cursor_ < pool_size_) {
    Entry& next = pool_[cursor_];
    if ((next.node & kLookedAt) != 0) {
      ++cursor_;
      continue;
    }
    const uint32_t node = next.node;
    next.node |= kLookedAt;
    ++cursor_;
    step(node);
  }
}

void GraphSearcher::prepare(const std::byte* query) {
  const CollectionOptions& options = graph_.shape.options;
  exact_.set_query(query);
  quantize::widen_rows({options.type, query, 1, options.dim}, options.metric, centred_.data());
  for (size_t i = 0; i < centred_.size(); ++i) centred_[i] -= graph_.origin[i];
  graph_.subspace.project_query(centred_.data(), bytes_, projected_.data());
  codes_.prepare(projected_.data());
}

// From the query to the origin, where the root lies.
float GraphSearcher::origin_distance() const {
  const auto dot = kernels::kernels().dot_f32;
  const size_t dim = centred_.size();
  float product = 0;
  if (graph_.shape.options.metric == Metric::kL2) {
    dot(centred_.data(), centred_.data(), 1, dim, &product);
    return product;
  }
  float origin_norm = 0;
  dot(centred_.data(), graph_.origin.data(), 1, dim, &product);
  dot(graph_.origin.data(), graph_.origin.data(), 1, dim, &origin_norm);
  const float one = graph_.shape.options.metric == Metric::kCosine ? 1 : 0;
  return one - product - origin_norm;
}

void GraphSearcher::enter_from_root() {
  const LinksView<const std::byte> links = graph_.root_links();
  if (!graph_.uses_codes) {
    for (size_t i = 0; i < graph_.root_layout.degree && links.ids()[i] != kNoNode; ++i) {
      const std::byte* record = graph_.record(links.ids()[i]);
      offer(exact_(record, graph_.record_layout.norm(record)), links.ids()[i]);
      ++counts_.distance_computations;
    }
    return;
  }
  const float base = origin_distance();
  Entry best[kEntriesTaken + 1];
  size_t count = 0;
  float estimates[kernels::kNeighbourBlock];
  uint32_t places[kernels::kNeighbourBlock];
  float bound = std::numeric_limits<float>::infinity();
  for (size_t b = 0; b < links.block_count(); ++b) {
    const size_t chosen = kernels::kernels().select_estimates(
        links.neighbours(b), codes_.estimate(), base, bound, estimates, places);
    for (size_t i = 0; i < chosen; ++i) {
      if (count == kEntriesTaken && !(estimates[i] < best[count - 1].estimate)) continue;
      const uint32_t node = links.ids()[b * kernels::kNeighbourBlock + places[i]];
      if (node == request_->without) continue;
      size_t at = count < kEntriesTaken ? count++ : count - 1;
      for (; at > 0 && estimates[i] < best[at - 1].estimate; --at) best[at] = best[at - 1];
      best[at] = {estimates[i], node};
      if (count == kEntriesTaken) bound = best[count - 1].estimate;
    }
  }
  counts_.estimates += graph_.root_layout.degree;
  for (size_t i = 0; i < count && pool_size_ < pool_max_; ++i) {
    mark(best[i].node);
    pool_[pool_size_++] = best[i];
  }
  if (pool_size_ == pool_max_) bound_ = pool_[pool_size_ - 1].estimate;
}

// Each node can be reached from some entry, not each from those the pool began with: where these
// lead to fewer nodes than it holds, the other entries follow, the nearest first.
void GraphSearcher::visit_other_entries() {
  const LinksView<const std::byte> links = graph_.root_links();
  const float base = origin_distance();
  std::vector<Entry> entries;
  float estimates[kernels::kNeighbourBlock];
  uint32_t places[kernels::kNeighbourBlock];
  for (size_t b = 0; b < links.block_count(); ++b) {
    const size_t chosen = kernels::kernels().select_estimates(
        links.neighbours(b), codes_.estimate(), base, bound_, estimates, places);
    for (size_t i = 0; i < chosen; ++i) {
      const uint32_t node = links.ids()[b * kernels::kNeighbourBlock + places[i]];
      if (!is_marked(node)) entries.push_back({estimates[i], node});
    }
  }
  counts_.estimates += graph_.root_layout.degree;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.estimate != b.estimate ? a.estimate < b.estimate : a.node < b.node;
  });
  for (const Entry& entry : entries) {
    if (pool_size_ == pool_max_) return;
    offer(entry.estimate, entry.node);
    walk();
  }
}

void GraphSearcher::step(uint32_t node) {
  prefetch_next();
  const std::byte* record = graph_.record(node);
  const float distance = exact_(record, graph_.record_layout.norm(record));
  ++counts_.distance_computations;
  ++counts_.hops;
  add_answer(distance, node);
  if (graph_.uses_codes) {
    take_links(graph_.links(record), distance);
  } else {
    take_links_exactly(graph_.links(record));
  }
}

void GraphSearcher::take_links_exactly(const LinksView<const std::byte>& links) {
  for (size_t i = 0; i < graph_.record_layout.links.degree; ++i) {
    const uint32_t node = links.ids()[i];
    if (node != kNoNode) __builtin_prefetch(graph_.record(node));
  }
  for (size_t i = 0; i < graph_.record_layout.links.degree; ++i) {
    const uint32_t node = links.ids()[i];
    if (node == kNoNode || is_marked(node)) continue;
    const std::byte* record = graph_.record(node);
    offer(exact_(record, graph_.record_layout.norm(record)), node);
    ++counts_.distance_computations;
  }
}

void GraphSearcher::take_links(const LinksView<const std::byte>& links, float base) {
  alignas(64) float estimates[kernels::kNeighbourBlock];
  alignas(64) uint32_t places[kernels::kNeighbourBlock];
  for (size_t b = 0; b < links.block_count(); ++b) {
    const size_t chosen = kernels::kernels().select_estimates(
        links.neighbours(b), codes_.estimate(), base, bound_, estimates, places);
    const uint32_t* ids = links.ids() + b * kernels::kNeighbourBlock;
    for (size_t i = 0; i < chosen; ++i) offer(estimates[i], ids[places[i]]);
  }
  counts_.estimates += graph_.record_layout.links.degree;
}

void GraphSearcher::offer(float estimate, uint32_t node) {
  if (!(estimate < bound_) || !mark(node)) return;
  Entry* const begin = pool_.data();
  Entry* const at =
      std::upper_bound(begin, begin + pool_size_, estimate,
                       [](float e, const Entry& entry) { return e < entry.estimate; });
  // The last falls off the end where the pool is full: there is room for one more.
  std::memmove(at + 1, at, static_cast<size_t>(begin + pool_size_ - at) * sizeof(Entry));
  *at = {estimate, node};
  if (pool_size_ < pool_max_) ++pool_size_;
  if (pool_size_ == pool_max_) bound_ = pool_[pool_size_ - 1].estimate;
  cursor_ = std::min(cursor_, static_cast<size_t>(at - begin));
}

// The next nodes of the pool will most likely be looked at, whatever this one brings.
void GraphSearcher::prefetch_next() const {
  size_t count = 0;
  for (size_t i = cursor_; i < pool_size_ && count < kNodesAhead; ++i) {
    if ((pool_[i].node & kLookedAt) != 0) continue;
    const std::byte* record = graph_.record(pool_[i].node);
    for (size_t byte = 0; byte < graph_.record_layout.bytes; byte += kLineBytes) {
      __builtin_prefetch(record + byte);
    }
    ++count;
  }
}

void GraphSearcher::add_answer(float distance, uint32_t node) {
  const FoundNode found{distance, node};
  const bool is_full = answers_.size() == request_->k;
  if (is_full && !(found < answers_.back())) return;
  if (request_->accepts != nullptr && !(*request_->accepts)(node)) return;
  if (is_full) answers_.pop_back();
  answers_.insert(std::upper_bound(answers_.begin(), answers_.end(), found), found);
}

// False where it was marked before.
bool GraphSearcher::mark(uint32_t node) {
  uint64_t& word = marks_[node / 64];
  const uint64_t bit = uint64_t{1} << (node % 64);
  if ((word & bit) != 0) return false;
  word |= bit;
  marked_.push_back(node);
  return true;
}

void GraphSearcher::clear_marks() {
  for (const uint32_t node : marked_) marks_[node / 64] = 0;
  marked_.clear();
}

}  // namespace roxanne::index
