// RobustPrune of one node by one warp: what graph/robust_prune.h says, on the same integers. The
// lanes of the warp share each distance, and sort the candidates together.
#pragma once

#include "accel/batch.h"
#include "accel/execution.h"

namespace roxanne::accel {

template <class Exec>
struct PruneShared {
  typename Exec::template Shared<uint64_t, kPruneCandidatesMax> order;  // distance, then row
  typename Exec::template Shared<uint32_t, kPruneCandidatesMax> states;
  typename Exec::template Shared<uint32_t, kPruneDegreeMax> kept;  // row numbers in the batch
};

// Exec's threads are one warp.
template <class Exec>
class NodePruner {
 public:
  ROX_DEVICE NodePruner(Exec& exec, PruneShared<Exec>& shared, const CodeRows& rows,
                        const PruneRule& rule)
      : exec_(exec), shared_(shared), rows_(rows), rule_(rule) {}

  // Fills kept[0..max_degree) with numbers of candidates (0 = the node's first row), best first,
  // then kNoRow.
  ROX_DEVICE void run(const PruneNode& node, uint32_t* kept) {
    order(node);
    kept_count_ = 0;
    for (uint32_t i = 0; i < node.count && has_room(); ++i) {
      const Occlusion found = occlusion(i);
      if (!found.plain) {
        keep(i);
      } else if (!found.relaxed) {
        set_state(i, kRelaxed);
      }
    }
    for (uint32_t i = 0; i < node.count && has_room(); ++i) {
      if (exec_.read(shared_.states, i) == kRelaxed && !occlusion(i).relaxed) keep(i);
    }
    for (uint32_t i = 0; rule_.fill && i < node.count && has_room(); ++i) {
      if (exec_.read(shared_.states, i) != kKept) keep(i);
    }
    exec_.each([&](int lane) {
      for (uint32_t i = lane; i < rule_.max_degree; i += kWarpThreads) {
        kept[i] = i < kept_count_ ? exec_.load(shared_.kept, lane, i) - node.first : kNoRow;
      }
    });
    exec_.sync();  // before another node's data come
  }

 private:
  enum State : uint32_t { kDropped, kRelaxed, kKept };
  // Whether a kept neighbour stands in for a candidate under alpha = 1 and under alpha.
  struct Occlusion {
    bool plain;
    bool relaxed;
  };

  ROX_DEVICE bool has_room() const { return kept_count_ < rule_.max_degree; }

  ROX_DEVICE int32_t distance(uint32_t a, uint32_t b) {
    const uint32_t word_count = rows_.stride / 4;
    const auto* one = reinterpret_cast<const uint32_t*>(rows_.codes + size_t{a} * rows_.stride);
    const auto* other = reinterpret_cast<const uint32_t*>(rows_.codes + size_t{b} * rows_.stride);
    exec_.each([&](int lane) {
      int32_t sum = 0;
      for (uint32_t word = lane; word < word_count; word += kWarpThreads) {
        sum = Exec::dot_add(one[word], other[word], sum);
      }
      parts_[lane] = sum;
    });
    return rows_.norms[a] + rows_.norms[b] - 2 * exec_.sum(parts_);
  }

  // Candidates by distance from the point, ties by row, in a bitonic network.
  ROX_DEVICE void order(const PruneNode& node) {
    uint32_t size = 1;
    while (size < node.count) size *= 2;
    for (uint32_t i = 0; i < size; ++i) {
      const bool is_there = i < node.count;
      const uint64_t far = is_there ? distance(node.first + i, node.first + node.count) : 0;
      exec_.each([&](int lane) {
        if (lane != 0) return;
        exec_.store(shared_.order, lane, i, is_there ? far << 32 | (node.first + i) : kNoEdge);
        exec_.store(shared_.states, lane, i, uint32_t{kDropped});
      });
    }
    exec_.sync();
    for (uint32_t run = 2; run <= size; run *= 2) {
      for (uint32_t step = run / 2; step > 0; step /= 2) {
        exec_.each([&](int lane) { exchange_pairs(lane, size, run, step); });
        exec_.sync();
      }
    }
  }

  ROX_DEVICE void exchange_pairs(int lane, uint32_t size, uint32_t run, uint32_t step) {
    for (uint32_t i = lane; i < size / 2; i += kWarpThreads) {
      const uint32_t low = 2 * i - (i & (step - 1));
      const uint32_t high = low + step;
      const uint64_t a = exec_.load(shared_.order, lane, low);
      const uint64_t b = exec_.load(shared_.order, lane, high);
      const bool is_ascending = (low & run) == 0;
      if ((a > b) != is_ascending) continue;
      exec_.store(shared_.order, lane, low, b);
      exec_.store(shared_.order, lane, high, a);
    }
  }

  ROX_DEVICE Occlusion occlusion(uint32_t i) {
    const uint64_t entry = exec_.read(shared_.order, i);
    const int64_t own = static_cast<int64_t>(entry >> 32);
    Occlusion result{false, false};
    for (uint32_t s = 0; s < kept_count_; ++s) {
      const int64_t near = distance(static_cast<uint32_t>(entry), exec_.read(shared_.kept, s));
      if (near * rule_.alpha_1000 <= own * 1000) return {true, true};
      result.plain = result.plain || near <= own;
    }
    return result;
  }

  ROX_DEVICE void keep(uint32_t i) {
    const auto row = static_cast<uint32_t>(exec_.read(shared_.order, i));
    exec_.each([&](int lane) {
      if (lane == 0) exec_.store(shared_.kept, lane, kept_count_, row);
    });
    ++kept_count_;
    set_state(i, kKept);
  }

  ROX_DEVICE void set_state(uint32_t i, State state) {
    exec_.sync();  // all have read what is written over
    exec_.each([&](int lane) {
      if (lane == 0) exec_.store(shared_.states, lane, i, uint32_t{state});
    });
    exec_.sync();
  }

  Exec& exec_;
  PruneShared<Exec>& shared_;
  const CodeRows rows_;
  const PruneRule rule_;
  uint32_t kept_count_ = 0;
  typename Exec::template PerThread<int32_t> parts_;
};

}  // namespace roxanne::accel
