// Reads one item ahead on another thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <thread>
#include <utility>

namespace roxanne::cli {

// Set where a thread had to be left behind in a read that does not return (a silent pipe): the
// process must then end without running destructors of static objects.
inline std::atomic<bool> reader_left_behind{false};

// `produce` is called by one thread at a time, but not always by the same one. What it uses must
// live as long as the function does: a thread left behind keeps it.
template <typename T>
class ReadAhead {
 public:
  explicit ReadAhead(std::function<T()> produce) : produce_(std::move(produce)) { start(); }

  ~ReadAhead() {
    using std::chrono::milliseconds;
    if (next_.valid() && next_.wait_for(milliseconds(200)) != std::future_status::ready) {
      reader_left_behind = true;
      thread_.detach();
    }
    if (thread_.joinable()) thread_.join();
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next item; absent where `cancelled` came true while waiting. Throws what `produce` threw.
  std::optional<T> next(const std::function<bool()>& cancelled) {
    while (next_.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
      if (cancelled()) return std::nullopt;
    }
    thread_.join();
    return next_.get();
  }

  // Begins to read another item; after next() only.
  void start() {
    std::packaged_task<T()> task(produce_);
    next_ = task.get_future();
    thread_ = std::thread(std::move(task));
  }

 private:
  std::function<T()> produce_;
  std::future<T> next_;
  std::thread thread_;
};

}  // namespace roxanne::cli
