// Vectors with their exact answers, and how many of those a scan of codes finds: for tests and the
// benchmark.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/distance.h"
#include "quantize/quantizer.h"
#include "quantize/widen.h"

namespace roxanne::quantize {

inline constexpr size_t kTruthCount = 10;
// How many of the best estimates are looked at.
inline constexpr std::array<size_t, 4> kRecallCounts = {10, 20, 50, 100};

// Rows that own their bytes.
struct Rows {
  ScalarType type = ScalarType::kF32;
  size_t rows = 0;
  size_t dim = 0;
  std::vector<std::byte> bytes;

  MatrixView view() const { return {type, bytes.data(), rows, dim}; }
  MatrixView row(size_t i) const { return view().slice(i, 1); }
};

// The first `row_max` rows of a file of int32 rows, int32 dimensions, rows; nothing where there is
// no such file.
inline std::optional<Rows> read_rows(const std::string& path, ScalarType type, size_t row_max) {
  std::ifstream file(path, std::ios::binary);
  int32_t head[2];
  if (!file.read(reinterpret_cast<char*>(head), sizeof head)) return std::nullopt;
  Rows rows;
  rows.type = type;
  rows.rows = std::min(row_max, static_cast<size_t>(head[0]));
  rows.dim = static_cast<size_t>(head[1]);
  rows.bytes.resize(rows.rows * rows.dim * scalar_bytes(type));
  file.read(reinterpret_cast<char*>(rows.bytes.data()),
            static_cast<std::streamsize>(rows.bytes.size()));
  if (!file) return std::nullopt;
  return rows;
}

inline Rows rows_of_floats(const std::vector<float>& values, size_t dim) {
  Rows rows = {ScalarType::kF32, values.size() / dim, dim, {}};
  rows.bytes.resize(values.size() * sizeof(float));
  std::memcpy(rows.bytes.data(), values.data(), rows.bytes.size());
  return rows;
}

// A base, queries, and the distance of each query's kTruthCount-th neighbour.
class RecallSet {
 public:
  RecallSet(Rows base, Rows queries, Metric metric)
      : base_(std::move(base)), queries_(std::move(queries)), metric_(metric) {
    std::vector<std::vector<float>> nearest(queries_.rows);  // heaps, the farthest first
    const std::vector<float> wide_queries = widened(queries_.view());
    float distances[kWidenRows];
    // Rows outside, so that they are widened once and read from the cache by all queries.
    for (size_t first = 0; first < base_.rows; first += kWidenRows) {
      const size_t count = std::min(kWidenRows, base_.rows - first);
      const std::vector<float> rows = widened(base_.view().slice(first, count));
      for (size_t q = 0; q < queries_.rows; ++q) {
        distances_to(wide_queries.data() + q * base_.dim, rows, distances);
        for (size_t i = 0; i < count; ++i) keep_nearest(nearest[q], distances[i]);
      }
    }
    for (const std::vector<float>& heap : nearest) worst_.push_back(heap.front());
  }

  const Rows& base() const { return base_; }
  const Rows& queries() const { return queries_; }
  Metric metric() const { return metric_; }
  VectorView query(size_t q) const { return {queries_.type, queries_.row(q).data(), queries_.dim}; }

  // Of query q to all of the base, in the metric.
  void exact_distances(size_t q, float* out) const {
    const std::vector<float> query = widened(queries_.row(q));
    for (size_t first = 0; first < base_.rows; first += kWidenRows) {
      const size_t count = std::min(kWidenRows, base_.rows - first);
      distances_to(query.data(), widened(base_.view().slice(first, count)), out + first);
    }
  }

  // Of the true neighbours of query q, the share among each kRecallCounts best estimates. The true
  // ones are those at most as far as the kTruthCount-th: equally near ones count the same.
  std::array<double, kRecallCounts.size()> recall(size_t q,
                                                  const std::vector<float>& estimates) const {
    const std::vector<std::pair<float, uint32_t>> order = best(estimates);
    const size_t most = order.size();
    const std::vector<float> query = widened(queries_.row(q));
    std::vector<float> distances(most);
    for (size_t i = 0; i < most; ++i) {
      distances_to(query.data(), widened(base_.row(order[i].second)), &distances[i]);
    }
    std::array<double, kRecallCounts.size()> shares = {};
    for (size_t c = 0; c < kRecallCounts.size(); ++c) {
      size_t found = 0;
      for (size_t i = 0; i < std::min(kRecallCounts[c], most); ++i) {
        found += distances[i] <= worst_[q] ? 1 : 0;
      }
      shares[c] = static_cast<double>(std::min(found, kTruthCount)) / kTruthCount;
    }
    return shares;
  }

 private:
  std::vector<float> widened(MatrixView rows) const {
    std::vector<float> wide(rows.rows() * rows.dim());
    widen_rows(rows, metric_, wide.data());
    return wide;
  }

  void distances_to(const float* query, const std::vector<float>& rows, float* out) const {
    const size_t count = rows.size() / base_.dim;
    const kernels::KernelTable& kernels = kernels::kernels();
    const auto to_rows = metric_ == Metric::kL2 ? kernels.l2_f32 : kernels.dot_f32;
    to_rows(query, rows.data(), count, base_.dim, out);
    if (metric_ == Metric::kL2) return;
    const float one = metric_ == Metric::kCosine ? 1.0f : 0.0f;
    for (size_t i = 0; i < count; ++i) out[i] = one - out[i];
  }

  // The kRecallCounts.back() least estimates in order, ties by row.
  std::vector<std::pair<float, uint32_t>> best(const std::vector<float>& estimates) const {
    std::vector<std::pair<float, uint32_t>> heap;  // the worst first
    for (uint32_t i = 0; i < base_.rows; ++i) {
      if (heap.size() == kRecallCounts.back()) {
        // Rows come in order, so a tie is the worse one.
        if (estimates[i] >= heap.front().first) continue;
        std::pop_heap(heap.begin(), heap.end());
        heap.pop_back();
      }
      heap.emplace_back(estimates[i], i);
      std::push_heap(heap.begin(), heap.end());
    }
    std::sort_heap(heap.begin(), heap.end());
    return heap;
  }

  static void keep_nearest(std::vector<float>& heap, float distance) {
    if (heap.size() == kTruthCount) {
      if (distance >= heap.front()) return;
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
    }
    heap.push_back(distance);
    std::push_heap(heap.begin(), heap.end());
  }

  Rows base_;
  Rows queries_;
  Metric metric_;
  std::vector<float> worst_;
};

}  // namespace roxanne::quantize
