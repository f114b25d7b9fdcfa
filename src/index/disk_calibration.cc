#include "index/disk_calibration.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/status_macros.h"
#include "graph/random_ids.h"
#include "index/exact_scan.h"

namespace roxanne::index {
namespace {

// A query for many neighbours tells as much as several for few, and costs as much.
constexpr size_t kSampleQueriesOfMany = 60;
// Real queries are farther from the collection than its own vectors are: a little more than the
// 0.95 that is promised.
constexpr double kRecallWanted = 0.975;
constexpr size_t kListSizeMax = 4096;
constexpr size_t kScanRows = 16384;
constexpr size_t kErrorNeighbours = 20;
constexpr float kSpreadLeast = 1e-4f;

size_t query_count(const CalibrationSample& sample, size_t k) {
  return k <= ListSizes::kSmallK ? sample.slots.size()
                                 : std::min(sample.slots.size(), kSampleQueriesOfMany);
}

Result<double> recall_of(DiskIndex& index, const CalibrationSample& sample, base::ThreadPool& pool,
                         size_t thread_count, const DiskSearchOptions& options) {
  const MatrixView queries =
      sample.queries(index.graph().shape.options).slice(0, query_count(sample, options.k));
  DiskSearchOptions search = options;
  search.thread_count = thread_count;
  search.without = sample.slots.data();
  const LiveSet live = index.slots();
  const std::vector<DiskOutcome> outcomes = index.search(queries, live, pool, search);
  size_t hits = 0;
  size_t possible = 0;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    ROX_RETURN_IF_ERROR(outcomes[i].status);
    size_t wanted = 0;
    float limit = 0;
    for (const ScanNeighbor& near : sample.truth[i]) {
      if (wanted == options.k) break;
      if (!live.contains(static_cast<uint32_t>(near.id))) continue;
      limit = near.distance;
      ++wanted;
    }
    const auto right =
        std::count_if(outcomes[i].found.begin(), outcomes[i].found.end(),
                      [limit](const ScanNeighbor& found) { return found.distance <= limit; });
    possible += wanted;
    hits += std::min(static_cast<size_t>(right), wanted);
  }
  return possible == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(possible);
}

// The least size that reaches the recall wanted: doubled until it does, then halved between.
Result<size_t> least_size(DiskIndex& index, const CalibrationSample& sample, base::ThreadPool& pool,
                          size_t thread_count, size_t k) {
  const auto reaches = [&](size_t size) -> Result<bool> {
    ROX_ASSIGN_OR_RETURN(const double recall, recall_of(index, sample, pool, thread_count,
                                                        {.k = k, .search_list_size = size}));
    return recall >= kRecallWanted;
  };
  size_t low = k;  // too small, unless it is enough
  ROX_ASSIGN_OR_RETURN(const bool is_enough, reaches(low));
  if (is_enough) return low;
  size_t high = 2 * k;
  for (; high < kListSizeMax; high *= 2) {
    ROX_ASSIGN_OR_RETURN(const bool is_reached, reaches(high));
    if (is_reached) break;
    low = high;
  }
  while (high - low > std::max<size_t>(1, low / 16)) {
    const size_t middle = (low + high) / 2;
    ROX_ASSIGN_OR_RETURN(const bool is_reached, reaches(middle));
    (is_reached ? high : low) = middle;
  }
  return high;
}

}  // namespace

Result<CalibrationSample> take_calibration_sample(const DiskIndex& index, const OrderedRows& rows,
                                                  base::ThreadPool& pool, size_t thread_count,
                                                  uint64_t seed) {
  CalibrationSample sample;
  const size_t wanted = std::min(CalibrationSample::kQueries, rows.count());
  const std::vector<uint32_t> numbers =
      graph::random_ids(static_cast<uint32_t>(rows.count()), wanted, seed);
  sample.rows.resize(wanted * rows.row_bytes());
  OrderedRows::Block block;
  for (size_t i = 0; i < wanted; ++i) {
    ROX_RETURN_IF_ERROR(rows.read(numbers[i], 1, block));
    std::memcpy(sample.rows.data() + i * rows.row_bytes(), block.rows().row(0), rows.row_bytes());
    sample.slots.push_back(block.slots()[0]);
  }
  const CollectionOptions& options = index.graph().shape.options;
  ExactScan scan(sample.queries(options), options.metric, CalibrationSample::kNeighbours + 1,
                 thread_count);
  std::atomic<size_t> next{0};
  std::vector<Status> statuses(thread_count);
  pool.run(thread_count, [&](size_t lane) {
    OrderedRows::Block scanned;
    std::vector<uint64_t> slots;
    for (size_t first = next.fetch_add(kScanRows); first < rows.count();
         first = next.fetch_add(kScanRows)) {
      const size_t count = std::min(kScanRows, rows.count() - first);
      statuses[lane] = rows.read(first, count, scanned);
      if (!statuses[lane].is_ok()) return;
      slots.assign(scanned.slots().begin(), scanned.slots().end());
      scan.scan(lane, {.rows = scanned.rows().row(0),
                       .row_count = count,
                       .first_id = first,
                       .tags = slots.data()});
    }
  });
  for (const Status& status : statuses) ROX_RETURN_IF_ERROR(status);
  sample.truth = scan.finish();
  for (size_t i = 0; i < sample.truth.size(); ++i) {
    for (ScanNeighbor& near : sample.truth[i]) near.id = near.tag;
    std::erase_if(sample.truth[i],
                  [&](const ScanNeighbor& near) { return near.id == sample.slots[i]; });
  }
  return sample;
}

EstimateError measure_error(const DiskGraph& graph, const CalibrationSample& sample) {
  SearchSpace::Query place;
  quantize::CellCode::Query code;
  double sum = 0, squares = 0, count = 0;
  const MatrixView queries = sample.queries(graph.shape.options);
  for (size_t i = 0; i < sample.truth.size(); ++i) {
    const std::vector<ScanNeighbor>& truth = sample.truth[i];
    graph.space.map_query(VectorView(queries.type(), queries.row(i), queries.dim()), place);
    code.prepare(graph.code, place.place());
    const size_t near = std::min(kErrorNeighbours, truth.size());
    if (near == 0) continue;
    const size_t kth = std::min(ListSizes::kSmallK, truth.size()) - 1;
    const float size = place.distance_here(truth[kth].distance);
    if (!(size > 0)) continue;
    for (size_t j = 0; j < near; ++j) {
      const uint32_t node = graph.node_of(static_cast<uint32_t>(truth[j].id));
      if (node == kNoNode) continue;
      const uint32_t cell = graph.page_cells[graph.page_of(node)];
      const float base = graph.code_base(place.place(), cell);
      const float estimate = code.estimate(graph.code_of(node), base);
      const double error = (estimate - place.distance_here(truth[j].distance)) / size;
      sum += error;
      squares += error * error;
      ++count;
    }
  }
  if (count == 0) count = 1;
  const double bias = sum / count;
  const double spread = std::sqrt(std::max(0.0, squares / count - bias * bias));
  return {static_cast<float>(bias), std::max(kSpreadLeast, static_cast<float>(spread))};
}

Result<ListSizes> measure_list_sizes(DiskIndex& index, const CalibrationSample& sample,
                                     base::ThreadPool& pool, size_t thread_count) {
  ROX_ASSIGN_OR_RETURN(const size_t at_small_k,
                       least_size(index, sample, pool, thread_count, ListSizes::kSmallK));
  ROX_ASSIGN_OR_RETURN(const size_t at_large_k,
                       least_size(index, sample, pool, thread_count, ListSizes::kLargeK));
  return ListSizes{static_cast<uint32_t>(at_small_k), static_cast<uint32_t>(at_large_k)};
}

}  // namespace roxanne::index
