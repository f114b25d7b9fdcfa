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

constexpr size_t kSampleQueries = 300;
// A query for many neighbours tells as much as several for few, and costs as much.
constexpr size_t kSampleQueriesOfMany = 60;
// Real queries are farther from the collection than its own vectors are: a little more than the
// 0.95 that is promised.
constexpr double kRecallWanted = 0.975;
constexpr size_t kListSizeMax = 4096;
constexpr size_t kScanRows = 16384;
constexpr size_t kErrorNeighbours = 20;
constexpr float kSpreadLeast = 1e-4f;

class Calibration {
 public:
  Calibration(DiskIndex& index, const OrderedRows& rows, const PlaceOfRow& places,
              base::ThreadPool& pool, size_t thread_count)
      : index_(index), rows_(rows), places_(places), pool_(pool), thread_count_(thread_count) {}

  Status run(uint64_t seed) {
    ROX_RETURN_IF_ERROR(take_sample(seed));
    ROX_RETURN_IF_ERROR(find_truth());
    ROX_RETURN_IF_ERROR(measure_error());
    ROX_ASSIGN_OR_RETURN(const size_t at_small_k, least_size(ListSizes::kSmallK));
    ROX_ASSIGN_OR_RETURN(const size_t at_large_k, least_size(ListSizes::kLargeK));
    index_.graph().list_sizes = {static_cast<uint32_t>(at_small_k),
                                 static_cast<uint32_t>(at_large_k)};
    return Status::ok();
  }

 private:
  MatrixView queries() const { return {rows_.type(), queries_.data(), slots_.size(), rows_.dim()}; }

  Status take_sample(uint64_t seed) {
    const size_t wanted = std::min(kSampleQueries, rows_.count());
    sample_ = graph::random_ids(static_cast<uint32_t>(rows_.count()), wanted, seed);
    queries_.resize(wanted * rows_.row_bytes());
    OrderedRows::Block block;
    for (size_t i = 0; i < wanted; ++i) {
      ROX_RETURN_IF_ERROR(rows_.read(sample_[i], 1, block));
      std::memcpy(queries_.data() + i * rows_.row_bytes(), block.rows().row(0), rows_.row_bytes());
      slots_.push_back(block.slots()[0]);
    }
    return Status::ok();
  }

  // By comparing with all rows.
  Status find_truth() {
    const Metric metric = index_.graph().shape.options.metric;
    ExactScan scan(queries(), metric, ListSizes::kLargeK + 1, thread_count_);
    std::atomic<size_t> next{0};
    std::vector<Status> statuses(thread_count_);
    pool_.run(thread_count_, [&](size_t lane) {
      std::vector<std::byte> bytes(kScanRows * rows_.row_bytes());
      for (size_t first = next.fetch_add(kScanRows); first < rows_.count();
           first = next.fetch_add(kScanRows)) {
        const size_t count = std::min(kScanRows, rows_.count() - first);
        statuses[lane] = rows_.read_rows(first, count, bytes.data());
        if (!statuses[lane].is_ok()) return;
        scan.scan(lane, {.rows = bytes.data(), .row_count = count, .first_id = first});
      }
    });
    for (const Status& status : statuses) ROX_RETURN_IF_ERROR(status);
    truth_ = scan.finish();
    for (size_t i = 0; i < truth_.size(); ++i) {
      std::erase_if(truth_[i], [&](const ScanNeighbor& near) { return near.id == sample_[i]; });
    }
    return Status::ok();
  }

  Status measure_error() {
    const DiskGraph& graph = index_.graph();
    SearchSpace::Query place;
    quantize::ResidualProductCode::Query code;
    double sum = 0, squares = 0, count = 0;
    for (size_t i = 0; i < truth_.size(); ++i) {
      const VectorView query(rows_.type(), queries().row(i), rows_.dim());
      graph.space.map_query(query, place);
      code.prepare(graph.code, place.place());
      const size_t near = std::min(kErrorNeighbours, truth_[i].size());
      if (near == 0) continue;
      const size_t kth = std::min(ListSizes::kSmallK, truth_[i].size()) - 1;
      const float size = place.distance_here(truth_[i][kth].distance);
      if (!(size > 0)) continue;
      for (size_t j = 0; j < near; ++j) {
        const uint32_t node = places_.node(static_cast<uint32_t>(truth_[i][j].id));
        const uint32_t cell = graph.page_cells[graph.page_of(node)];
        const float base = graph.code_base(place.place(), cell);
        const float estimate = code.estimate(graph.code_of(node), base);
        const double error = (estimate - place.distance_here(truth_[i][j].distance)) / size;
        sum += error;
        squares += error * error;
        ++count;
      }
    }
    if (count == 0) count = 1;
    const double bias = sum / count;
    const double spread = std::sqrt(std::max(0.0, squares / count - bias * bias));
    index_.graph().error = {static_cast<float>(bias),
                            std::max(kSpreadLeast, static_cast<float>(spread))};
    return Status::ok();
  }

  size_t query_count(size_t k) const {
    return std::min(slots_.size(), k <= ListSizes::kSmallK ? kSampleQueries : kSampleQueriesOfMany);
  }

  Result<double> recall_of(size_t k, size_t search_list_size) {
    const std::vector<DiskOutcome> outcomes =
        index_.search(queries().slice(0, query_count(k)), index_.slots(), pool_,
                      {.k = k,
                       .search_list_size = search_list_size,
                       .thread_count = thread_count_,
                       .without = slots_.data()});
    size_t hits = 0;
    size_t possible = 0;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      ROX_RETURN_IF_ERROR(outcomes[i].status);
      const size_t wanted = std::min(k, truth_[i].size());
      if (wanted == 0) continue;
      size_t right = 0;
      for (const ScanNeighbor& found : outcomes[i].found) {
        right += found.distance <= truth_[i][wanted - 1].distance ? 1 : 0;
      }
      possible += wanted;
      hits += std::min(right, wanted);
    }
    return possible == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(possible);
  }

  // The least size that reaches the recall wanted: doubled until it does, then halved between.
  Result<size_t> least_size(size_t k) {
    const auto reaches = [&](size_t size) -> Result<bool> {
      ROX_ASSIGN_OR_RETURN(const double recall, recall_of(k, size));
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

  DiskIndex& index_;
  const OrderedRows& rows_;
  const PlaceOfRow& places_;
  base::ThreadPool& pool_;
  const size_t thread_count_;
  std::vector<uint32_t> sample_;  // rows
  std::vector<uint32_t> slots_;   // theirs
  std::vector<std::byte> queries_;
  std::vector<std::vector<ScanNeighbor>> truth_;
};

}  // namespace

Status calibrate_disk(DiskIndex& index, const OrderedRows& rows, const PlaceOfRow& places,
                      base::ThreadPool& pool, size_t thread_count, uint64_t seed) {
  return Calibration(index, rows, places, pool, thread_count).run(seed);
}

}  // namespace roxanne::index
