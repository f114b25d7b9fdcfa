// Runs kernel bodies (execution.h) on a processor, thread by thread, and looks for what a device
// would not forgive: shared memory that is read before it is written, or touched by two threads
// with no barrier between them. For tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "accel/execution.h"
#include "base/status_macros.h"

namespace roxanne::accel {

// What an emulated block found wrong; the first of it.
struct EmulatedFaults {
  std::string first;
  uint64_t count = 0;
  void add(const char* what, size_t place) {
    if (count++ == 0) first = std::string(what) + ", place " + std::to_string(place);
  }
};

template <class Code, int kThreads>
class EmulatedExecution {
 public:
  template <class T>
  class PerThread {
   public:
    PerThread() : values_(kThreads) {}
    T& operator[](int thread) { return values_[static_cast<size_t>(thread)]; }
    const T& operator[](int thread) const { return values_[static_cast<size_t>(thread)]; }

   private:
    std::vector<T> values_;
  };

  template <class T, size_t N>
  struct Shared {
    struct Place {
      T value{};
      uint64_t written = 0;  // when, in barriers
      int writer = -1;
      uint64_t looked_at = 0;
      int reader = -1;  // kAll: several
    };
    std::vector<Place> places{N};
  };

  // With `backwards`, threads run in the opposite order.
  EmulatedExecution(EmulatedFaults& faults, bool backwards)
      : faults_(faults), backwards_(backwards) {}

  template <class F>
  void each(const F& f) {
    for (int i = 0; i < kThreads; ++i) f(backwards_ ? kThreads - 1 - i : i);
  }
  void sync() { ++now_; }

  template <class T, size_t N>
  T load(Shared<T, N>& memory, int thread, size_t i) {
    auto& place = at(memory, i);
    if (place.writer < 0) faults_.add("read before written", i);
    if (place.written == now_ && place.writer != thread) faults_.add("read without barrier", i);
    place.reader = place.looked_at == now_ && place.reader != thread ? kAll : thread;
    place.looked_at = now_;
    return place.value;
  }
  // By all threads.
  template <class T, size_t N>
  T read(Shared<T, N>& memory, size_t i) {
    return load(memory, kAll, i);
  }
  template <size_t N>
  uint32_t load_word(Shared<Quad, N>& memory, int thread, size_t i, size_t word) {
    return load(memory, thread, i).words[word];
  }
  template <class T, size_t N>
  void store(Shared<T, N>& memory, int thread, size_t i, T value) {
    auto& place = at(memory, i);
    if (place.written == now_ && place.writer >= 0 && place.writer != thread) {
      faults_.add("written twice without barrier", i);
    }
    if (place.looked_at == now_ && place.reader != -1 && place.reader != thread) {
      faults_.add("written over without barrier", i);
    }
    place.value = value;
    place.writer = thread;
    place.written = now_;
  }

  template <class Sums>
  void multiply(PerThread<Sums>& sums, int n, const PerThread<FragmentA>& a,
                const PerThread<FragmentB>& b) {
    for (int warp = 0; warp < kThreads; warp += kWarpThreads) {
      for (int row = 0; row < 16; ++row) {
        for (int column = 0; column < 8; ++column) {
          const int lane = row % 8 * 4 + column / 2;
          int32_t& sum = sums[warp + lane].tile[n].sums[row / 8 * 2 + column % 2];
          for (int word = 0; word < 8; ++word) {
            const int half = word / 4;
            sum = dot_add(a[warp + row % 8 * 4 + word % 4].words[half * 2 + row / 8],
                          b[warp + column * 4 + word % 4].words[half], sum);
          }
        }
      }
    }
  }

  template <class T>
  void exchange(const PerThread<T>& in, PerThread<T>& out, int mask) {
    for (int i = 0; i < kThreads; ++i) out[i] = in[i ^ mask];
  }
  int32_t sum(const PerThread<int32_t>& values) {
    static_assert(kThreads == kWarpThreads);
    int32_t total = 0;
    for (int i = 0; i < kThreads; ++i) total += values[i];
    return total;
  }

  // Adds the products of four codes a word.
  static int32_t dot_add(uint32_t a, uint32_t b, int32_t sum) {
    for (int i = 0; i < 32; i += 8) {
      sum += static_cast<int32_t>(static_cast<Code>(a >> i)) * static_cast<Code>(b >> i);
    }
    return sum;
  }

 private:
  static constexpr int kAll = -2;

  template <class T, size_t N>
  typename Shared<T, N>::Place& at(Shared<T, N>& memory, size_t i) {
    ROX_CHECK(i < N);
    return memory.places[i];
  }

  EmulatedFaults& faults_;
  const bool backwards_;
  uint64_t now_ = 1;
};

}  // namespace roxanne::accel
