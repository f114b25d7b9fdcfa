#include "index/neighbour_search.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/background.h"
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

// The pages of so many of the nearest points are held: one of them takes the new node, some take an
// edge to it.
constexpr size_t kHeldPoints = 8;

// Until it is known.
constexpr size_t kPagesOfSearch = 8;

}  // namespace

void NeighbourSearch::begin(const Job& job) {
  job_ = job;
  if (job_.near->size() < job_.nodes.size()) job_.near->resize(job_.nodes.size());
  searches_.resize(job_.nodes.size());
  next_node_ = 0;
  done_ = 0;
  status_ = Status::ok();
}

void NeighbourSearch::help() {
  DiskLane::RunOptions options;
  options.reader = PageCache::Reader::kChange;
  options.held = [this](uint32_t page, std::span<std::byte> out) {
    return job_.pages->copy(page, out);
  };
  auto lane = index_.take_lane();
  const Status ran = lane->run(
      options, [this] { return next_request(); },
      [this](size_t, DiskOutcome outcome) { note_done(outcome); });
  if (ran.is_ok()) index_.give_back(std::move(lane));
  const std::lock_guard lock(mutex_);
  if (status_.is_ok()) status_ = ran;
}

Result<size_t> NeighbourSearch::end() {
  ROX_RETURN_IF_ERROR(status_);
  return std::min<size_t>(next_node_, job_.nodes.size());
}

// With those that searches under way will bring.
size_t NeighbourSearch::pages_expected() const {
  const size_t here = job_.pages->held_count();
  const size_t done = done_;
  const size_t of_search = done == 0 ? kPagesOfSearch : here / done + 1;
  return here + (next_node_ - std::min<size_t>(next_node_, done)) * of_search;
}

std::optional<DiskQuery::Request> NeighbourSearch::next_request() {
  if (next_node_ > 0 && pages_expected() >= job_.pages_most) return std::nullopt;
  const size_t i = next_node_++;
  if (i >= job_.nodes.size()) return std::nullopt;
  (*job_.near)[i].begin(GraphEditor::near_most(index_.graph()), index_.graph().layout.row_bytes);
  base::give_way();  // to searches for others
  searches_[i].held.clear();
  searches_[i].hear = [this, i](uint32_t page, const std::byte* bytes, const float* distances) {
    take(i, page, bytes, distances);
  };
  return DiskQuery::Request{.query = job_.nodes[i].row,
                            .k = options_.k,
                            .search_list_size = options_.search_list_size,
                            .on_page = &searches_[i].hear,
                            .scan_codes = job_.is_growing ? kScanCodesOfGrowing : kScanCodes,
                            .expand_margin = kExpandMargin};
}

void NeighbourSearch::take(size_t node, uint32_t page, const std::byte* bytes,
                           const float* distances) {
  const NodePageLayout& layout = index_.graph().layout;
  NearPoints& near = (*job_.near)[node];
  const uint64_t taken = storage::load_page_header(bytes).record_bitmap;
  for (uint32_t place = 0; place < layout.nodes; ++place) {
    if (((taken >> place) & 1) == 0) continue;
    near.add(distances[place], layout.slot(bytes, place), page, layout.row(bytes, place));
  }
  std::vector<uint32_t> wanted;
  for (const NearPoints::Point& point :
       near.points().first(std::min(kHeldPoints, near.points().size()))) {
    wanted.push_back(point.page);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<uint32_t>& held = searches_[node].held;
  std::vector<uint32_t> more, fewer;
  std::set_difference(wanted.begin(), wanted.end(), held.begin(), held.end(),
                      std::back_inserter(more));
  std::set_difference(held.begin(), held.end(), wanted.begin(), wanted.end(),
                      std::back_inserter(fewer));
  job_.pages->show(page, bytes, more, fewer);
  held = std::move(wanted);
}

void NeighbourSearch::note_done(const DiskOutcome& outcome) {
  ++done_;
  const std::lock_guard lock(mutex_);
  counts_.reads += outcome.stats.reads;
  counts_.cache_hits += outcome.stats.cache_hits;
  counts_.distance_computations += outcome.stats.distance_computations;
  if (status_.is_ok()) status_ = outcome.status;
}

}  // namespace roxanne::index
