#include "graph/partition.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <numeric>

#include "graph/random_ids.h"

namespace roxanne::graph {
namespace {

// Points of the first level that are assigned together.
constexpr size_t kBlockPoints = 4096;
// A group larger than this share of what it was carved from was not carved: equal points, say.
constexpr double kStuckShare = 0.8;
constexpr size_t kLevelsMax = 12;
// Room around the sample that the first level's codes are scaled by.
constexpr float kFrameHeadroom = 1.25f;
// Of the first level's work and the rest.
constexpr double kFirstLevelShare = 0.1;

using Groups = std::vector<std::vector<uint32_t>>;

// Puts groups that are too small together, in the order of their leaders, which is random.
Groups merge_small(Groups groups, const PartitionOptions& options) {
  Groups merged;
  std::vector<uint32_t> pool;
  const auto flush = [&] {
    if (pool.empty()) return;
    std::sort(pool.begin(), pool.end());
    pool.erase(std::unique(pool.begin(), pool.end()), pool.end());
    merged.push_back(std::move(pool));
    pool.clear();
  };
  for (auto& group : groups) {
    if (group.size() >= options.leaf_points_min) {
      merged.push_back(std::move(group));
      continue;
    }
    if (pool.size() + group.size() > options.leaf_points_max) flush();
    pool.insert(pool.end(), group.begin(), group.end());
  }
  flush();
  return merged;
}

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
    if (ids.size() < 2) return;
    if (options_.source_count != 0 && ids.front() >= options_.source_count) return;
    if (blocks_.size() <= level) blocks_.resize(level + 1);
    if (blocks_[level] == nullptr) blocks_[level] = std::make_unique<PointBlock>();
    PointBlock& block = *blocks_[level];
    points_.gather(ids, block);
    if (ids.size() <= options_.leaf_points_max) {
      visit_(lane_, {ids, &block});
      return;
    }
    Groups groups = level < kLevelsMax ? assign(ids, block, level, seed) : Groups{};
    const bool is_stuck =
        groups.empty() || std::any_of(groups.begin(), groups.end(), [&](const auto& group) {
          return static_cast<double>(group.size()) > kStuckShare * static_cast<double>(ids.size());
        });
    if (is_stuck) groups = split_at_random(ids, seed);
    uint64_t number = 0;
    for (const auto& group : merge_small(std::move(groups), options_)) {
      carve(group, level + 1, mix_seeds(seed, ++number));
    }
  }

  uint64_t distance_computations() const { return nearest_.distance_computations(); }

 private:
  Groups assign(const std::vector<uint32_t>& ids, const PointBlock& block, size_t level,
                uint64_t seed) {
    const size_t fanout = level == 1 ? options_.fanout_second : 1;
    // So many leaders that their groups are leaves of about half the allowed size.
    const size_t wanted = 2 * fanout * ids.size() / options_.leaf_points_max + 2;
    const size_t leader_count = std::min({wanted, options_.leaders_max, ids.size()});
    const std::vector<uint32_t> leaders =
        random_ids(static_cast<uint32_t>(ids.size()), leader_count, seed);
    leaders_.resize(leaders.size(), block.dim());
    for (size_t i = 0; i < leaders.size(); ++i) {
      std::copy_n(block.row(leaders[i]), block.dim(), leaders_.row(i));
      leaders_.norms()[i] = block.norms()[leaders[i]];
    }
    nearest_.set_rows(leaders_);
    const size_t k = std::min(fanout, leaders.size());
    nearest_.find(block, {.k = k}, found_);
    Groups groups(leaders.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      for (size_t j = 0; j < k; ++j) {
        const uint32_t leader = found_[i * k + j].row;
        if (leader != kNoRow) groups[leader].push_back(ids[i]);
      }
    }
    return groups;
  }

  Groups split_at_random(const std::vector<uint32_t>& ids, uint64_t seed) const {
    std::vector<uint32_t> order = random_ids(static_cast<uint32_t>(ids.size()), ids.size(), seed);
    const size_t count = (ids.size() + options_.leaf_points_max - 1) / options_.leaf_points_max;
    Groups groups(count);
    for (size_t i = 0; i < order.size(); ++i) groups[i % count].push_back(ids[order[i]]);
    for (auto& group : groups) std::sort(group.begin(), group.end());
    return groups;
  }

  const Points& points_;
  const PartitionOptions& options_;
  NearestRows nearest_;
  std::vector<NearRow> found_;
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

  Groups cells;
  if (count <= options_.leaf_points_max) {
    cells.emplace_back(count);
    std::iota(cells[0].begin(), cells[0].end(), 0u);
  } else {
    const size_t wanted =
        static_cast<size_t>(options_.leader_fraction * static_cast<double>(count)) +
        2 * options_.fanout_first;
    const size_t leader_count = std::min({wanted, options_.leaders_max, count});
    const std::vector<uint32_t> leaders =
        random_ids(static_cast<uint32_t>(count), leader_count, options_.seed);
    const Points::Frame frame = points_.frame(leaders, kFrameHeadroom);
    PointBlock leader_block;
    points_.gather(leaders, frame, leader_block);
    const size_t fanout = std::min(options_.fanout_first, leaders.size());
    std::vector<uint16_t> joined(count * fanout);
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
    cells.resize(leaders.size());
    for (size_t i = 0; i < count; ++i) {
      for (size_t j = 0; j < fanout; ++j) {
        cells[joined[i * fanout + j]].push_back(static_cast<uint32_t>(i));
      }
    }
    const bool is_stuck = std::any_of(cells.begin(), cells.end(), [&](const auto& cell) {
      return static_cast<double>(cell.size()) > kStuckShare * static_cast<double>(count);
    });
    if (is_stuck) {
      // Most points are near one leader: let the next level, whose codes are finer, carve them.
      cells.assign(1, std::vector<uint32_t>(count));
      std::iota(cells[0].begin(), cells[0].end(), 0u);
    }
    cells = merge_small(std::move(cells), options_);
  }

  done = 0;
  uint64_t total = 0;
  for (const auto& cell : cells) total += cell.size();
  std::atomic<size_t> next{0};
  pool.run(lane_count, [&](size_t lane) {
    Carver carver(points_, options_, lane, visit);
    for (size_t c = next++; c < cells.size() && !stopped; c = next++) {
      const std::vector<uint32_t> ids = std::move(cells[c]);
      carver.carve(ids, 1, mix_seeds(options_.seed, c + 1));
      done += ids.size();
      report(kFirstLevelShare, 1 - kFirstLevelShare, total);
    }
    distance_computations_ += carver.distance_computations();
  });
  return !stopped;
}

}  // namespace roxanne::graph
