// The load of a round: clients that write one row a call, one that searches beside them, and the
// wait until the engine has nothing left to do.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "bench/update/vectors.h"
#include "roxanne/roxanne.h"

namespace roxanne::bench {

struct ClientOptions {
  size_t threads = 8;
  size_t batch_rows = 1;
  double rate = 0;  // rows a second of all clients together; 0: as fast as they can
};

// Upserts `rows` of the base, or erases those keys; each client takes the next. Seconds until the
// last was acknowledged.
double insert_rows(Collection& collection, const VectorFile& base,
                   const std::vector<uint32_t>& rows, const ClientOptions& options);
double erase_rows(Collection& collection, const std::vector<uint32_t>& rows,
                  const ClientOptions& options);

// Of each search, in microseconds: how long it took, and how long its thread had a processor. What
// the machine makes slow is in both; what it waited for only in the first.
struct SearchTimes {
  std::vector<double> latencies_us;
  std::vector<double> cpu_us;
};

// Searches at a steady rate by one thread, from its making until stop().
class SearchProbe {
 public:
  // Begins with the query numbered `first`.
  SearchProbe(const Collection& collection, const MatrixView& queries, double rate, size_t first);
  ~SearchProbe();
  SearchProbe(const SearchProbe&) = delete;
  SearchProbe& operator=(const SearchProbe&) = delete;

  SearchTimes stop();
  double cpu_seconds() const { return cpu_seconds_; }

 private:
  void run(const Collection& collection, const MatrixView& queries, double rate, size_t first);

  std::atomic<bool> stops_{false};
  std::atomic<double> cpu_seconds_{0};
  SearchTimes times_;
  std::thread thread_;
};

struct Settled {
  bool is_settled = false;  // all points in the graph, and the process at rest
  double indexed_s = 0;     // until searches compared with no point one by one, or the last look
  double rest_s = 0;        // until the process came to rest
  uint64_t tail = 0;        // points that are left to compare with
};

// Returns when the engine is done, when it rests although points are left (today's engine builds
// only where it pays), or after `seconds_max`. Times count from the call. `probe` may be null.
Settled wait_until_settled(const Collection& collection, const SearchProbe* probe,
                           double seconds_max);

}  // namespace roxanne::bench
