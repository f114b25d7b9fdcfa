// Which searches are so short that handing them to another thread would cost more than it brings.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

namespace roxanne::server {

// Recent times of searches, by collection. From any thread.
class QuickSearches {
 public:
  // A search of the collection took so long, and so many distances.
  void note(std::string_view collection, double latency_us, uint64_t distances) {
    std::atomic<float>& mean = mean_us(collection);
    if (distances > kManyDistances) {
      mean.store(kUnknownUs, std::memory_order_relaxed);
      return;
    }
    const float old = mean.load(std::memory_order_relaxed);
    // A time is the clock's: one search whose thread lost its processor for milliseconds says
    // nothing about the others, so none counts for more than twice the mean.
    const float time = std::min(static_cast<float>(latency_us), 2 * old);
    mean.store(old + (time - old) / kWeight, std::memory_order_relaxed);
  }
  // Whether the next one of a single query is likely to be short. Not before some were: the first
  // may load a graph.
  bool are_quick(std::string_view collection) {
    return mean_us(collection).load(std::memory_order_relaxed) < kQuickUs;
  }

 private:
  static constexpr float kQuickUs = 500;
  // Whoever computes so many is slow by its own doing: 0.3 ms of short vectors in memory.
  static constexpr uint64_t kManyDistances = 100'000;
  static constexpr float kWeight = 8;
  static constexpr float kUnknownUs = 100'000;  // 42 short ones later it is kQuickUs
  static constexpr size_t kPlaces = 64;         // collections that share one share their time
  std::atomic<float>& mean_us(std::string_view collection) {
    return means_us_[std::hash<std::string_view>()(collection) % kPlaces].us;
  }
  struct Mean {
    std::atomic<float> us{kUnknownUs};
  };
  std::array<Mean, kPlaces> means_us_;
};

}  // namespace roxanne::server
