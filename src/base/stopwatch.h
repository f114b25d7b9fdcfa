// Times phases that follow one another, with one look at the clock for each.
#pragma once

#include <chrono>

namespace roxanne::base {

class Stopwatch {
 public:
  // Microseconds since the last lap, or since this was made.
  double lap_us() {
    const Clock::time_point now = Clock::now();
    const double us = std::chrono::duration<double, std::micro>(now - last_).count();
    last_ = now;
    return us;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

}  // namespace roxanne::base
