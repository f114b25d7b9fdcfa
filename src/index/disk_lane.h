// Runs queries of a disk graph on one thread: several at a time, so that one computes while others
// wait for their reads; a lone one has all reads of a round in flight together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/reader_gate.h"
#include "base/stopwatch.h"
#include "index/disk_query.h"
#include "index/exact_scan.h"
#include "index/page_cache.h"
#include "roxanne/options.h"
#include "roxanne/status.h"
#include "storage/async_reader.h"
#include "storage/page_store.h"

namespace roxanne::index {

// What became of one query.
struct DiskOutcome {
  Status status;
  std::vector<ScanNeighbor> found;  // ids are slots
  SearchStats stats;                // no latency
};

// One thread's at a time.
class DiskLane {
 public:
  static constexpr size_t kQueriesMax = 10;  // under way at once

  // All outlive the lane. All that reads the graph is done in a seat of `gate`.
  DiskLane(const DiskGraph& graph, base::ReaderGate& gate, const storage::PageStore& pages,
           PageCache& cache);
  ~DiskLane();

  // Gives the next query, until there is none.
  using Next = std::function<std::optional<DiskQuery::Request>()>;
  // Hears of each query, by the order in which they were given.
  using Done = std::function<void(size_t number, DiskOutcome outcome)>;
  struct RunOptions {
    // Queries under way, at most kQueriesMax: fewer where each takes much memory.
    size_t places = kQueriesMax;
    // Copies a page to `out` where the caller has it; may be empty.
    std::function<bool(uint32_t page, std::span<std::byte> out)> held;
    PageCache::Reader reader = PageCache::Reader::kSearch;
    Deadline deadline = kNoDeadline;  // after it, queries end with their next pages: kCancelled
  };
  // Each query reads pages as they are when it begins, and goes by the graph as it is. A failure of
  // the ring itself is returned; what a query meets is in its outcome.
  Status run(const RunOptions& options, const Next& next, const Done& done);

  uint64_t bytes() const;
  // About the same before there is one.
  static uint64_t bytes_of(uint64_t page_bytes, uint64_t code_query_bytes);

 private:
  struct Running {
    std::unique_ptr<DiskQuery> query;
    storage::PageSnapshot snapshot;
    size_t number = 0;
    size_t pending = 0;  // reads of this round
    DiskOutcome outcome;
    base::Stopwatch watch;
  };

  bool begin(size_t place, const Next& next);
  // Asks for the pages that a query wants. Goes on while they are all in the cache. Returns whether
  // reads are under way; if not, the query has ended.
  Result<bool> ask(Running& running, size_t place);
  void take(Running& running, uint32_t page, std::span<std::byte> bytes);
  void advance(Running& running);
  Status submit(const Running& running, size_t place, size_t number);
  void receive(Running& running, size_t place, const storage::AsyncReader::Completion& completion);
  Status check(const Running& running, uint32_t page, size_t bytes_read,
               std::span<std::byte> bytes) const;
  void end(Running& running);
  bool is_at_hand(uint32_t page, uint32_t physical, std::span<std::byte> out);
  std::span<std::byte> buffer(size_t place, size_t number);

  const DiskGraph& graph_;
  base::ReaderGate::Seat seat_;
  const storage::PageStore& pages_;
  PageCache& cache_;
  const RunOptions* options_ = nullptr;
  const Done* done_ = nullptr;
  size_t next_number_ = 0;
  std::vector<Running> running_;
  base::AlignedBuffer arena_;                     // kPagesAtOnceMax pages for each query
  std::unique_ptr<storage::AsyncReader> reader_;  // after arena_: it waits for reads into it
};

}  // namespace roxanne::index
