#include "eval/measure.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <thread>

#include "base/status_macros.h"

namespace roxanne::eval {
namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

std::vector<Answer> to_answers(const std::vector<Neighbor>& neighbors) {
  std::vector<Answer> answers;
  answers.reserve(neighbors.size());
  for (const Neighbor& neighbor : neighbors) {
    const bool is_row = neighbor.key.type() == KeyType::kU64;
    answers.push_back({is_row ? neighbor.key.u64() : kNoId, neighbor.distance});
  }
  return answers;
}

// One measurement under way; its threads take batches from a shared counter.
class Run {
 public:
  Run(const SearchFunction& search, MatrixView queries, const MeasureOptions& options)
      : search_(search), queries_(queries), options_(options), answers_(queries.rows()) {}

  // `reports`: this thread tells the progress.
  void work(bool reports) {
    SearchStats stats;
    std::vector<double> latencies;
    while (!stopped_) {
      const size_t first = next_query_.fetch_add(options_.batch_rows);
      if (first >= queries_.rows()) break;
      const size_t count = std::min(options_.batch_rows, queries_.rows() - first);
      const auto start = Clock::now();
      auto found = search_(queries_.slice(first, count), stats);
      latencies.push_back(microseconds(Clock::now() - start));
      if (!found.is_ok()) {
        stop(found.status());
        break;
      }
      for (size_t i = 0; i < found->size(); ++i) answers_[first + i] = to_answers((*found)[i]);
      queries_done_ += count;
      if (options_.cancelled && options_.cancelled()) stop(Status::cancelled("stopped on request"));
      if (reports && options_.progress) options_.progress(queries_done_);
    }
    const std::lock_guard lock(mutex_);
    stats_ += stats;
    latencies_.insert(latencies_.end(), latencies.begin(), latencies.end());
  }

  Result<Measurement> finish(double seconds) {
    ROX_RETURN_IF_ERROR(status_);
    Measurement result;
    result.queries = queries_.rows();
    result.seconds = seconds;
    result.qps = seconds > 0 ? static_cast<double>(result.queries) / seconds : 0;
    result.latency_us_p50 = percentile(latencies_, 0.50);
    result.latency_us_p99 = percentile(latencies_, 0.99);
    result.stats = stats_;
    result.answers = std::move(answers_);
    return result;
  }

 private:
  void stop(const Status& status) {
    const std::lock_guard lock(mutex_);
    if (status_.is_ok()) status_ = status;
    stopped_ = true;
  }

  const SearchFunction& search_;
  const MatrixView queries_;
  const MeasureOptions& options_;
  std::atomic<size_t> next_query_{0};
  std::atomic<uint64_t> queries_done_{0};
  std::atomic<bool> stopped_{false};
  std::vector<std::vector<Answer>> answers_;  // an element is written by the thread that took it
  std::mutex mutex_;                          // guards what follows
  Status status_;
  SearchStats stats_;
  std::vector<double> latencies_;
};

}  // namespace

double percentile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  const size_t index = std::clamp<size_t>(static_cast<size_t>(rank), 1, values.size()) - 1;
  const auto at = values.begin() + static_cast<ptrdiff_t>(index);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

Result<Measurement> measure_search(const SearchFunction& search, MatrixView queries,
                                   const MeasureOptions& options) {
  if (queries.rows() == 0) return Status::invalid_argument("there are no queries");
  if (options.thread_count == 0 || options.batch_rows == 0) {
    return Status::invalid_argument("threads and batch must be at least 1");
  }
  SearchStats warm_up;
  ROX_RETURN_IF_ERROR(
      search(queries.slice(0, std::min(options.batch_rows, queries.rows())), warm_up).status());

  Run run(search, queries, options);
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (size_t i = 1; i < options.thread_count; ++i) {
    threads.emplace_back([&run] { run.work(false); });
  }
  run.work(true);
  for (std::thread& thread : threads) thread.join();
  return run.finish(microseconds(Clock::now() - start) / 1e6);
}

}  // namespace roxanne::eval
