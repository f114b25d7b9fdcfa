#include "index/neighbour_search.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "index/disk_lane.h"

namespace roxanne::index {
namespace {

constexpr size_t kScanCodes = 2500;
// Of a graph that outgrows what it was built of. Its points are linked by such searches alone: what
// these miss, nobody finds, and edges that cross cells become few.
constexpr size_t kScanCodesOfGrowing = 8000;
// Edges are followed of points that are at most so much farther than the k-th best. Without,
// points that lie in cells that are not scanned are found by nobody who comes, and led to by ever
// fewer.
constexpr float kExpandMargin = 0.05f;

void note_points(const NodePageLayout& layout, const std::byte* bytes, const float* distances,
                 std::vector<NearPoint>& near) {
  const uint64_t taken = storage::load_page_header(bytes).record_bitmap;
  for (uint32_t place = 0; place < layout.nodes; ++place) {
    if (((taken >> place) & 1) == 0) continue;
    near.push_back({distances[place], layout.slot(bytes, place)});
  }
}

}  // namespace

Result<size_t> NeighbourSearch::run(std::span<const NewNode> nodes, size_t thread_count,
                                    size_t pages_most, bool is_growing, PagesUnderWay& pages,
                                    std::vector<std::vector<NearPoint>>& near) {
  if (near.size() < nodes.size()) near.resize(nodes.size());
  std::vector<std::function<void(uint32_t, const std::byte*, const float*)>> hear(nodes.size());
  const NodePageLayout& layout = index_.graph().layout;
  const storage::PageSnapshot snapshot = index_.pages().snapshot();
  std::atomic<size_t> next_node{0};
  std::mutex mutex;  // guards what follows
  Status status;
  DiskLane::RunOptions run_options;
  run_options.reader = PageCache::Reader::kChange;
  run_options.held = [&](uint32_t page, std::span<std::byte> out) { return pages.copy(page, out); };
  const auto run_lane = [&](size_t) {
    auto lane = index_.take_lane();
    const auto next = [&]() -> std::optional<DiskQuery::Request> {
      if (next_node > 0 && pages.count() >= pages_most) return std::nullopt;
      const size_t i = next_node++;
      if (i >= nodes.size()) return std::nullopt;
      near[i].clear();
      std::this_thread::yield();  // to searches for others
      hear[i] = [&, i](uint32_t page, const std::byte* bytes, const float* distances) {
        pages.keep(page, bytes);
        note_points(layout, bytes, distances, near[i]);
      };
      return DiskQuery::Request{.query = nodes[i].row,
                                .k = options_.k,
                                .search_list_size = options_.search_list_size,
                                .on_page = &hear[i],
                                .scan_codes = is_growing ? kScanCodesOfGrowing : kScanCodes,
                                .expand_margin = kExpandMargin};
    };
    const auto done = [&](size_t, DiskOutcome outcome) {
      const std::lock_guard lock(mutex);
      counts_.reads += outcome.stats.reads;
      counts_.cache_hits += outcome.stats.cache_hits;
      counts_.distance_computations += outcome.stats.distance_computations;
      if (status.is_ok()) status = outcome.status;
    };
    const Status ran = lane->run(snapshot, run_options, next, done);
    if (ran.is_ok()) index_.give_back(std::move(lane));
    const std::lock_guard lock(mutex);
    if (status.is_ok()) status = ran;
  };
  pool_.run(std::min(thread_count, nodes.size()), run_lane);
  ROX_RETURN_IF_ERROR(status);
  return std::min<size_t>(next_node, nodes.size());
}

}  // namespace roxanne::index
