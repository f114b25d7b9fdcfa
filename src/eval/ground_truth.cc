#include "eval/ground_truth.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <limits>
#include <string>

#include "base/coding.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "index/exact_scan.h"

namespace roxanne::eval {
namespace {

// Read together; the next block is read while one is searched.
constexpr size_t kBlockBytes = 8u << 20;
// Searched together by one thread: small enough for a cache, and to stop soon when cancelled.
constexpr size_t kPieceBytes = 256u << 10;
constexpr size_t kPieceRowsMin = 64;

size_t rows_of_bytes(size_t bytes, size_t row_bytes) {
  return std::max<size_t>(1, bytes / row_bytes);
}

enum class RowFault : uint8_t { kNone, kNotFinite, kZero };

// Elements are looked at as bits: all exponent bits set is a NaN or an infinity, no bit but the
// sign is zero.
template <typename Bits>
RowFault float_row_fault(const std::byte* row, size_t dim, Bits exponent) {
  bool zero = true;
  for (size_t i = 0; i < dim; ++i) {
    const auto bits = base::load<Bits>(row + i * sizeof(Bits));
    if ((bits & exponent) == exponent) return RowFault::kNotFinite;
    zero = zero && static_cast<Bits>(bits << 1) == 0;
  }
  return zero ? RowFault::kZero : RowFault::kNone;
}

RowFault row_fault(const MatrixView& rows, size_t row) {
  const std::byte* data = rows.row(row);
  if (rows.type() == ScalarType::kF32) {
    return float_row_fault<uint32_t>(data, rows.dim(), 0x7f800000u);
  }
  if (rows.type() == ScalarType::kF16) return float_row_fault<uint16_t>(data, rows.dim(), 0x7c00u);
  const bool zero = std::all_of(data, data + rows.dim(),
                                [](std::byte element) { return element == std::byte{0}; });
  return zero ? RowFault::kZero : RowFault::kNone;
}

// `who`: what a row is called in messages; `first_row` counts from the file's start.
Status check_rows(const VectorBatch& batch, Metric metric, const std::string& who,
                  uint64_t first_row) {
  const bool is_float = batch.type == ScalarType::kF32 || batch.type == ScalarType::kF16;
  if (!is_float && metric != Metric::kCosine) return Status::ok();
  for (size_t row = 0; row < batch.rows; ++row) {
    const RowFault fault = row_fault(batch.view(), row);
    if (fault == RowFault::kNotFinite) {
      return Status::invalid_argument(who + " " + std::to_string(first_row + row) +
                                      " has a NaN or an infinity; every element must be finite");
    }
    if (fault == RowFault::kZero && metric == Metric::kCosine) {
      return Status::invalid_argument(who + " " + std::to_string(first_row + row) +
                                      " is a zero vector: not possible under the cosine metric");
    }
  }
  return Status::ok();
}

Status check_request(const VectorFileInfo& base, const VectorBatch& queries,
                     const GroundTruthOptions& options) {
  if (queries.rows == 0) return Status::invalid_argument("there are no queries");
  if (options.k == 0) return Status::invalid_argument("k is 0; it must be at least 1");
  if (options.k > kGroundTruthEntriesMax / queries.rows) {
    return Status::invalid_argument(
        std::to_string(queries.rows) + " queries with k " + std::to_string(options.k) +
        " are too many neighbours to keep; at most " + std::to_string(kGroundTruthEntriesMax));
  }
  if (base.dim != queries.dim || base.type != queries.type) {
    return Status::invalid_argument("queries are " + std::to_string(queries.dim) + " x " +
                                    std::string(scalar_type_name(queries.type)) + ", base rows " +
                                    std::to_string(base.dim) + " x " +
                                    std::string(scalar_type_name(base.type)));
  }
  return check_rows(queries, options.metric, "query", 0);
}

// Searches one block with every thread; false where it was cancelled.
class BlockSearch {
 public:
  BlockSearch(const VectorBatch& queries, const GroundTruthOptions& options, size_t lane_count)
      : options_(options),
        lane_count_(lane_count),
        pool_(lane_count - 1),
        scan_(queries.view(), options.metric, options.k, lane_count) {}

  bool search(const VectorBatch& block, uint64_t first_row) {
    const size_t piece_rows =
        std::max(kPieceRowsMin, kPieceBytes / std::max<size_t>(1, block.view().row_bytes()));
    std::atomic<size_t> next_row{0};
    std::atomic<size_t> rows_done{0};
    std::atomic<bool> stopped{false};
    pool_.run(lane_count_, [&](size_t lane) {
      while (!stopped) {
        const size_t row = next_row.fetch_add(piece_rows);
        if (row >= block.rows) return;
        index::ScanRows rows;
        rows.rows = block.view().row(row);
        rows.row_count = std::min(piece_rows, block.rows - row);
        rows.first_id = first_row + row;
        scan_.scan(lane, rows);
        const size_t done = rows_done.fetch_add(rows.row_count) + rows.row_count;
        if (options_.cancelled && options_.cancelled()) stopped = true;
        if (lane == 0 && options_.progress) options_.progress(first_row + done);
      }
    });
    return !stopped;
  }

  std::vector<std::vector<index::ScanNeighbor>> finish() { return scan_.finish(); }

 private:
  const GroundTruthOptions& options_;
  const size_t lane_count_;
  base::ThreadPool pool_;
  index::ExactScan scan_;
};

// Returns how many rows there were.
Result<uint64_t> search_all(VectorReader& base, const GroundTruthOptions& options,
                            BlockSearch& search) {
  const size_t row_bytes = base.info().dim * scalar_bytes(base.info().type);
  const size_t block_rows = rows_of_bytes(kBlockBytes, row_bytes);
  uint64_t row_count = 0;
  VectorBatch block;
  ROX_RETURN_IF_ERROR(base.read(block_rows, block));
  while (block.rows > 0) {
    if (row_count + block.rows > std::numeric_limits<uint32_t>::max()) {
      return Status::invalid_argument(
          "ground truth files number rows with 32 bits; the base has "
          "more");
    }
    VectorBatch next;
    std::future<Status> reading =
        std::async(std::launch::async, [&] { return base.read(block_rows, next); });
    Status status = check_rows(block, options.metric, "base row", row_count);
    if (status.is_ok() && !search.search(block, row_count)) {
      status = Status::cancelled("stopped on request");
    }
    const Status read = reading.get();
    ROX_RETURN_IF_ERROR(status);
    ROX_RETURN_IF_ERROR(read);
    row_count += block.rows;
    block = std::move(next);
  }
  return row_count;
}

GroundTruth to_ground_truth(const std::vector<std::vector<index::ScanNeighbor>>& found, size_t k) {
  GroundTruth truth;
  truth.queries = found.size();
  truth.k = k;
  truth.ids.reserve(found.size() * k);
  truth.distances.reserve(found.size() * k);
  for (const auto& neighbors : found) {
    ROX_CHECK(neighbors.size() == k);
    for (const index::ScanNeighbor& neighbor : neighbors) {
      truth.ids.push_back(static_cast<uint32_t>(neighbor.id));
      truth.distances.push_back(neighbor.distance);
    }
  }
  return truth;
}

Status too_few_rows(uint64_t row_count, size_t k) {
  return Status::invalid_argument("k is " + std::to_string(k) + "; the base has only " +
                                  std::to_string(row_count) + " rows");
}

}  // namespace

Result<GroundTruth> compute_ground_truth(VectorReader& base, const VectorBatch& queries,
                                         const GroundTruthOptions& options) {
  const VectorFileInfo info = base.info();
  ROX_RETURN_IF_ERROR(check_request(info, queries, options));
  if (info.rows.has_value() && *info.rows < options.k) return too_few_rows(*info.rows, options.k);
  const size_t threads = options.thread_count != 0 ? options.thread_count : base::processor_count();
  const size_t lanes =
      std::clamp<size_t>(kGroundTruthEntriesMax / (queries.rows * options.k), 1, threads);
  BlockSearch search(queries, options, lanes);
  ROX_ASSIGN_OR_RETURN(const uint64_t row_count, search_all(base, options, search));
  if (row_count < options.k) return too_few_rows(row_count, options.k);
  return to_ground_truth(search.finish(), options.k);
}

}  // namespace roxanne::eval
