// Times what an engine does, from outside of it: seconds of each kind of call, distances, bytes.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>

#include "accel/engine.h"

namespace roxanne::bench {

// Sums over all lanes.
struct EngineTimes {
  std::atomic<uint64_t> nearest_us{0}, link_us{0}, sort_us{0}, prune_us{0}, load_us{0};
  std::atomic<uint64_t> distances{0};  // of nearest() and link()
  std::atomic<uint64_t> bytes_to_device{0}, bytes_to_host{0};
};

class TimedEngine final : public accel::Engine {
 public:
  TimedEngine(std::unique_ptr<accel::Engine> engine, EngineTimes& times)
      : engine_(std::move(engine)),
        times_(times),
        row_bytes_(accel::row_stride(engine_->shape().dim) + sizeof(int32_t)) {}

  const accel::EngineShape& shape() const override { return engine_->shape(); }
  accel::Stage stage() override { return engine_->stage(); }

  Status load_cell(size_t first, size_t count) override {
    times_.bytes_to_device += count * row_bytes_;
    return timed(times_.load_us, [&] { return engine_->load_cell(first, count); });
  }
  Status nearest(const accel::NearestBatch& batch, std::span<const uint32_t>& found) override {
    count(batch);
    times_.bytes_to_host += batch.row_count * batch.k * sizeof(uint32_t);
    return timed(times_.nearest_us, [&] { return engine_->nearest(batch, found); });
  }
  Status link(const accel::NearestBatch& batch, uint32_t source_count,
              std::vector<uint64_t>& edges) override {
    count(batch);
    times_.bytes_to_device += batch.row_count * sizeof(uint32_t);
    const size_t before = edges.size();
    const Status linked =
        timed(times_.link_us, [&] { return engine_->link(batch, source_count, edges); });
    times_.bytes_to_host += (edges.size() - before) * sizeof(uint64_t);
    return linked;
  }
  Status sort_edges(std::vector<uint64_t>& edges) override {
    times_.bytes_to_device += edges.size() * sizeof(uint64_t);
    const Status sorted = timed(times_.sort_us, [&] { return engine_->sort_edges(edges); });
    times_.bytes_to_host += edges.size() * sizeof(uint64_t);
    return sorted;
  }
  Status prune(size_t row_count, std::span<const accel::PruneNode> nodes,
               const accel::PruneRule& rule, std::span<const uint32_t>& kept) override {
    times_.bytes_to_device += row_count * row_bytes_ + nodes.size_bytes();
    times_.bytes_to_host += nodes.size() * rule.max_degree * sizeof(uint32_t);
    return timed(times_.prune_us, [&] { return engine_->prune(row_count, nodes, rule, kept); });
  }

 private:
  void count(const accel::NearestBatch& batch) {
    uint64_t distances = 0;
    for (const accel::QueryTile& tile : batch.tiles) {
      distances += uint64_t{tile.query_count} * tile.row_count;
    }
    times_.distances += distances;
    times_.bytes_to_device += batch.tiles.size_bytes() +
                              batch.row_count * (batch.is_of_cell ? sizeof(uint32_t) : row_bytes_);
  }
  template <class Call>
  Status timed(std::atomic<uint64_t>& total, const Call& call) {
    const auto begin = std::chrono::steady_clock::now();
    const Status done = call();
    total += static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::steady_clock::now() - begin)
                                       .count());
    return done;
  }

  std::unique_ptr<accel::Engine> engine_;
  EngineTimes& times_;
  const size_t row_bytes_;
};

}  // namespace roxanne::bench
