#include "graph/partition.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <numeric>

namespace roxanne::graph {
namespace {

// Points of the first level that are assigned together.
constexpr size_t kBlockPoints = 4096;
// Of the first level's work and the rest.
constexpr double kFirstLevelShare = 0.1;

}  // namespace

// Carves one group depth first; scratch of one lane.
class Partition::Carver {
 public:
  Carver(const Points& points, const PartitionOptions& options, size_t lane, const Visit& visit)
      : points_(points),
        options_(options),
        nearest_(points.code_type()),
        lane_(lane),
        visit_(visit) {}

  // `ids` ascending. `seed` is the group's own.
  void carve(const std::vector<uint32_t>& ids, size_t level, uint64_t seed) {
    if (ids.empty() || is_left_out(ids.size(), ids.front(), options_)) return;
    if (blocks_.size() <= level) blocks_.resize(level + 1);
    if (blocks_[level] == nullptr) blocks_[level] = std::make_unique<PointBlock>();
    PointBlock& block = *blocks_[level];
    points_.gather(ids, block);
    if (is_leaf(ids.size(), options_)) {
      visit_(lane_, {ids, &block});
      return;
    }
    const Leaders leaders = choose_leaders(ids.size(), level, seed, options_);
    assign(block, leaders);
    size_t number = 0;
    for (const auto& group : make_groups(ids, joined_, leaders, seed, options_)) {
      carve(group, level + 1, group_seed(seed, number++));
    }
  }

  uint64_t distance_computations() const { return nearest_.distance_computations(); }

 private:
  // Fills joined_ with the leaders that each row of the block joins.
  void assign(const PointBlock& block, const Leaders& leaders) {
    joined_.clear();
    if (leaders.places.empty()) return;
    leaders_.resize(leaders.places.size(), block.dim());
    for (size_t i = 0; i < leaders.places.size(); ++i) {
      std::copy_n(block.row(leaders.places[i]), block.dim(), leaders_.row(i));
      leaders_.norms()[i] = block.norms()[leaders.places[i]];
    }
    nearest_.set_rows(leaders_);
    nearest_.find(block, {.k = leaders.fanout}, found_);
    for (const NearRow& near : found_) joined_.push_back(near.row);
  }

  const Points& points_;
  const PartitionOptions& options_;
  NearestRows nearest_;
  std::vector<NearRow> found_;
  std::vector<uint32_t> joined_;
  std::vector<std::unique_ptr<PointBlock>> blocks_;  // one a level
  PointBlock leaders_;
  const size_t lane_;
  const Visit& visit_;
};

Partition::Partition(const Points& points, const PartitionOptions& options)
    : points_(points), options_(options) {}

bool Partition::run(base::ThreadPool& pool, size_t lane_count, const Visit& visit,
                    const Advance& advance) {
  const size_t count = points_.count();
  std::atomic<bool> stopped{false};
  std::mutex advance_mutex;
  std::atomic<uint64_t> done{0};
  const auto report = [&](double base, double share, size_t total) {
    std::lock_guard lock(advance_mutex);
    const double part = static_cast<double>(done) / static_cast<double>(std::max<size_t>(1, total));
    if (advance && !advance(base + share * part)) stopped = true;
  };

  const Leaders leaders = choose_first_leaders(count, options_);
  std::vector<uint16_t> joined(count * leaders.fanout);
  if (!leaders.places.empty()) {
    const Points::Frame frame = points_.frame(leaders.places, kFrameHeadroom);
    PointBlock leader_block;
    points_.gather(leaders.places, frame, leader_block);
    const size_t fanout = leaders.fanout;
    const size_t block_count = (count + kBlockPoints - 1) / kBlockPoints;
    std::atomic<size_t> next{0};
    pool.run(lane_count, [&](size_t) {
      NearestRows nearest(points_.code_type());
      nearest.set_rows(leader_block);
      std::vector<NearRow> found;
      std::vector<uint32_t> ids;
      PointBlock block;
      for (size_t b = next++; b < block_count && !stopped; b = next++) {
        const size_t first = b * kBlockPoints;
        ids.resize(std::min(kBlockPoints, count - first));
        std::iota(ids.begin(), ids.end(), static_cast<uint32_t>(first));
        points_.gather(ids, frame, block);
        nearest.find(block, {.k = fanout}, found);
        for (size_t i = 0; i < found.size(); ++i) {
          joined[first * fanout + i] = static_cast<uint16_t>(found[i].row);
        }
        done += ids.size();
        report(0, kFirstLevelShare, count);
      }
      distance_computations_ += nearest.distance_computations();
    });
    if (stopped) return false;
  }
  Groups cells = make_cells(joined, count, leaders, options_);
  std::vector<uint16_t>().swap(joined);

  done = 0;
  uint64_t total = 0;
  for (const auto& cell : cells) total += cell.size();
  std::atomic<size_t> next{0};
  pool.run(lane_count, [&](size_t lane) {
    Carver carver(points_, options_, lane, visit);
    for (size_t c = next++; c < cells.size() && !stopped; c = next++) {
      const std::vector<uint32_t> ids = std::move(cells[c]);
      carver.carve(ids, 1, cell_seed(options_, c));
      done += ids.size();
      report(kFirstLevelShare, 1 - kFirstLevelShare, total);
    }
    distance_computations_ += carver.distance_computations();
  });
  return !stopped;
}

}  // namespace roxanne::graph
