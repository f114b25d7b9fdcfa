#include "interruptible.h"

#include "open_database.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

namespace roxanne::python {
namespace {

constexpr std::chrono::milliseconds kPollInterval{50};

// What the working and the waiting thread tell each other.
class Report {
 public:
  bool update(std::string_view phase, double fraction) {
    const std::lock_guard lock(mutex_);
    phase_ = phase;
    fraction_ = fraction;
    is_new_ = true;
    return !stopped_;
  }
  void finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_all();
  }
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  // Whether the work is done; waits a while for it.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPollInterval, [&] { return finished_; });
  }

  // Calls `progress` where there is news; whether it wants to go on. With the GIL.
  bool tell(const nb::object& progress) {
    std::string phase;
    double fraction = 0;
    {
      const std::lock_guard lock(mutex_);
      if (!is_new_) return true;
      is_new_ = false;
      phase = phase_;
      fraction = fraction_;
    }
    return progress.is_none() || !progress(phase, fraction).is(nb::bool_(false));
  }

 private:
  std::mutex mutex_;  // guards all below but stopped_
  std::condition_variable changed_;
  std::string phase_;
  double fraction_ = 0;
  bool is_new_ = false;
  bool finished_ = false;
  std::atomic<bool> stopped_{false};
};

}  // namespace

Status run_interruptible(const nb::object& progress,
                         const std::function<Status(const Goes&)>& work) {
  const WaitsForCall waits;
  Report report;
  Status status;
  std::exception_ptr thrown_by_work;
  std::thread worker([&] {
    try {
      status = work(
          [&](std::string_view phase, double fraction) { return report.update(phase, fraction); });
    } catch (...) {
      thrown_by_work = std::current_exception();
    }
    report.finish();
  });
  std::exception_ptr raised;
  for (bool finished = false; !finished;) {
    {
      const nb::gil_scoped_release released;
      finished = report.wait();
      if (finished) worker.join();
    }
    if (report.stopped()) continue;
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (!report.tell(progress)) report.stop();
    } catch (...) {
      raised = std::current_exception();
      report.stop();
    }
  }
  if (raised) std::rethrow_exception(raised);
  if (thrown_by_work) std::rethrow_exception(thrown_by_work);
  return status;
}

void check_signals() {
  const nb::gil_scoped_acquire acquired;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace roxanne::python
