#include "bench/update/load.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "bench/update/footprint.h"

namespace roxanne::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::chrono::milliseconds kPoll{50};
// A process at rest uses less of one processor than this ...
constexpr double kRestCpuShare = 0.1;
// ... for so long: where all points are in the graph, and where some wait (a background that waits
// for a pause of writes, or rests after a build, seems idle for a while).
constexpr double kRestSeconds = 0.5;
constexpr double kStuckSeconds = 4;

double seconds_since(Clock::time_point start) { return Seconds(Clock::now() - start).count(); }

// Calls `write(first, count)` for all of `total` in turn, by clients at a steady rate.
double run_clients(size_t total, const ClientOptions& options,
                   const std::function<void(size_t, size_t)>& write) {
  const Clock::time_point start = Clock::now();
  std::atomic<size_t> next{0};
  std::vector<std::thread> clients;
  for (size_t t = 0; t < options.threads; ++t) {
    clients.emplace_back([&] {
      while (true) {
        const size_t first = next.fetch_add(options.batch_rows);
        if (first >= total) return;
        if (options.rate > 0) {
          std::this_thread::sleep_until(start + std::chrono::duration_cast<Clock::duration>(Seconds(
                                                    static_cast<double>(first) / options.rate)));
        }
        write(first, std::min(options.batch_rows, total - first));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  return seconds_since(start);
}

uint64_t tail_of(const Collection& collection) {
  const auto info = collection.info();
  if (!info) die("info: " + info.status().to_string());
  return info->points - std::min(info->points, info->index.points);
}

}  // namespace

double insert_rows(Collection& collection, const VectorFile& base,
                   const std::vector<uint32_t>& rows, const ClientOptions& options) {
  return run_clients(rows.size(), options, [&](size_t first, size_t count) {
    std::vector<uint64_t> keys(rows.begin() + static_cast<std::ptrdiff_t>(first),
                               rows.begin() + static_cast<std::ptrdiff_t>(first + count));
    std::vector<std::byte> bytes(count * base.row_bytes());
    for (size_t i = 0; i < count; ++i) base.read(keys[i], 1, bytes.data() + i * base.row_bytes());
    const MatrixView vectors(base.type(), bytes.data(), count, base.dim());
    const auto counts = collection.upsert(keys, vectors);
    if (!counts) die("upsert: " + counts.status().to_string());
    if (counts->inserted != count) die("an upsert replaced a point that should not be there");
  });
}

double erase_rows(Collection& collection, const std::vector<uint32_t>& rows,
                  const ClientOptions& options) {
  return run_clients(rows.size(), options, [&](size_t first, size_t count) {
    const std::vector<uint64_t> keys(rows.begin() + static_cast<std::ptrdiff_t>(first),
                                     rows.begin() + static_cast<std::ptrdiff_t>(first + count));
    const auto erased = collection.erase(keys);
    if (!erased) die("erase: " + erased.status().to_string());
    if (*erased != count) die("a point to erase was not there");
  });
}

SearchProbe::SearchProbe(const Collection& collection, const MatrixView& queries, double rate,
                         size_t first) {
  if (rate > 0) {
    thread_ = std::thread(
        [this, &collection, queries, rate, first] { run(collection, queries, rate, first); });
  }
}

SearchProbe::~SearchProbe() { stop(); }

SearchTimes SearchProbe::stop() {
  stops_ = true;
  if (thread_.joinable()) thread_.join();
  return std::move(times_);
}

void SearchProbe::run(const Collection& collection, const MatrixView& queries, double rate,
                      size_t first) {
  const auto period = std::chrono::duration_cast<Clock::duration>(Seconds(1 / rate));
  Clock::time_point next = Clock::now();
  for (size_t q = first; !stops_; ++q) {
    const double cpu_before = thread_cpu_seconds();
    const Clock::time_point start = Clock::now();
    const MatrixView one = queries.slice(q % queries.rows(), 1);
    const auto found =
        collection.search(VectorView(one.type(), one.data(), one.dim()), {.thread_count = 1});
    if (!found) die("search: " + found.status().to_string());
    times_.latencies_us.push_back(seconds_since(start) * 1e6);
    const double cpu = thread_cpu_seconds();
    times_.cpu_us.push_back((cpu - cpu_before) * 1e6);
    cpu_seconds_ = cpu;
    // After a slow search it does not hurry to catch up.
    next = std::max(next + period, Clock::now());
    std::this_thread::sleep_until(next);
  }
}

Settled wait_until_settled(const Collection& collection, const SearchProbe* probe,
                           double seconds_max) {
  const auto engine_cpu = [&] {
    return process_cpu_seconds() - (probe == nullptr ? 0 : probe->cpu_seconds());
  };
  Settled settled;
  const Clock::time_point start = Clock::now();
  double cpu = engine_cpu();
  double looked = 0;
  uint64_t tail = UINT64_MAX;
  while (true) {
    const uint64_t tail_now = tail_of(collection);
    const double cpu_now = engine_cpu();
    const double now = seconds_since(start);
    const bool is_busy = tail_now != tail || cpu_now - cpu > kRestCpuShare * (now - looked);
    if (tail_now > 0 || tail > 0) settled.indexed_s = now;
    if (is_busy) settled.rest_s = now;
    settled.tail = tail_now;
    const double rested = now - settled.rest_s;
    settled.is_settled = tail_now == 0 && rested >= kRestSeconds;
    if (settled.is_settled || rested >= kStuckSeconds || now >= seconds_max) return settled;
    tail = tail_now;
    cpu = cpu_now;
    looked = now;
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace roxanne::bench
