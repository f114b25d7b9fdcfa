#include "index/calibration.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "graph/random_ids.h"
#include "index/exact_scan.h"
#include "index/graph_searcher.h"

namespace roxanne::index {
namespace {

constexpr size_t kSampleQueries = 400;
// Real queries are farther from the collection than its own vectors are: a little more than the
// 0.95 that is promised.
constexpr double kRecallWanted = 0.965;
constexpr size_t kListSizeMax = 8192;
// A step with codes costs about a quarter of one with exact distances.
constexpr uint32_t kCodesWorth = 4;
constexpr size_t kScanRows = 16384;

struct Sample {
  std::vector<uint32_t> nodes;
  // The distances of each one's true neighbours, itself left out.
  std::vector<std::vector<float>> truth;
};

Sample take_sample(const ResidentGraph& graph, MatrixView rows, base::ThreadPool& pool,
                   size_t thread_count, uint64_t seed) {
  Sample sample;
  const size_t wanted = std::min<size_t>(kSampleQueries, graph.shape.node_count);
  sample.nodes = graph::random_ids(graph.shape.node_count, wanted, seed);
  std::vector<std::byte> queries(wanted * rows.row_bytes());
  for (size_t i = 0; i < wanted; ++i) {
    std::memcpy(queries.data() + i * rows.row_bytes(), rows.row(sample.nodes[i]), rows.row_bytes());
  }
  const MatrixView view(rows.type(), queries.data(), wanted, rows.dim());
  ExactScan scan(view, graph.shape.options.metric, ListSizes::kLargeK + 1, thread_count);
  std::atomic<size_t> next{0};
  pool.run(thread_count, [&](size_t lane) {
    for (size_t first = next.fetch_add(kScanRows); first < rows.rows();
         first = next.fetch_add(kScanRows)) {
      const size_t count = std::min(kScanRows, rows.rows() - first);
      scan.scan(lane, {.rows = rows.row(first), .row_count = count, .first_id = first});
    }
  });
  const auto found = scan.finish();
  sample.truth.resize(wanted);
  for (size_t i = 0; i < wanted; ++i) {
    for (const ScanNeighbor& neighbor : found[i]) {
      if (neighbor.id != sample.nodes[i]) sample.truth[i].push_back(neighbor.distance);
    }
  }
  return sample;
}

double recall_of(GraphSearcher& searcher, const Sample& sample, MatrixView rows, size_t k,
                 size_t search_list_size) {
  size_t hits = 0;
  size_t possible = 0;
  for (size_t i = 0; i < sample.nodes.size(); ++i) {
    const std::vector<float>& truth = sample.truth[i];
    const size_t wanted = std::min(k, truth.size());
    if (wanted == 0) continue;
    const auto& found = searcher.search({.query = rows.row(sample.nodes[i]),
                                         .k = k,
                                         .search_list_size = search_list_size,
                                         .without = sample.nodes[i]});
    possible += wanted;
    size_t right = 0;
    for (const FoundNode& node : found) right += node.distance <= truth[wanted - 1] ? 1 : 0;
    hits += std::min(right, wanted);
  }
  return possible == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(possible);
}

// The least size that reaches the recall wanted: doubled until it does, then halved between.
uint32_t least_size(GraphSearcher& searcher, const Sample& sample, MatrixView rows, size_t k) {
  const auto reaches = [&](size_t size) {
    return recall_of(searcher, sample, rows, k, size) >= kRecallWanted;
  };
  size_t low = k;  // too small, unless it is enough
  if (reaches(low)) return static_cast<uint32_t>(low);
  size_t high = 2 * k;
  while (high < kListSizeMax && !reaches(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > std::max<size_t>(1, low / 32)) {
    const size_t middle = (low + high) / 2;
    (reaches(middle) ? high : low) = middle;
  }
  return static_cast<uint32_t>(high);
}

}  // namespace

void calibrate(MatrixView rows, base::ThreadPool& pool, size_t thread_count, uint64_t seed,
               ResidentGraph& graph) {
  const Sample sample = take_sample(graph, rows, pool, thread_count, seed);
  GraphSearcher searcher(graph);
  const auto size_at = [&](size_t k) { return least_size(searcher, sample, rows, k); };
  graph.uses_codes = false;
  const uint32_t with_distances = size_at(ListSizes::kSmallK);
  graph.uses_codes = true;
  graph.list_sizes.at_small_k = size_at(ListSizes::kSmallK);
  if (graph.list_sizes.at_small_k > kCodesWorth * with_distances) {
    graph.uses_codes = false;
    graph.list_sizes.at_small_k = with_distances;
  }
  graph.list_sizes.at_large_k = size_at(ListSizes::kLargeK);
}

}  // namespace roxanne::index
