// A progress bar on stderr, where that is a terminal; elsewhere nothing is shown.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace roxanne::cli {

struct ProgressState {
  std::string label;
  std::string unit;  // what is counted: "rows"
  uint64_t done = 0;
  std::optional<double> fraction;  // of the whole, 0 to 1; absent where the end is not known
  double seconds = 0;              // since the start
};

// One line without colour: "import  [====>     ]  42%  41.2k rows/s  0:12 left".
std::string progress_line(const ProgressState& state);

// One thread at a time. The bar is wiped when this ends, so that the summary has a clean line.
class Progress {
 public:
  Progress(std::string label, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap: draws a few times a second at most.
  void update(uint64_t done, std::optional<double> fraction);
  // What the line begins with from now on.
  void relabel(std::string label) { state_.label = std::move(label); }
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  void draw();
  void wipe();

  const bool visible_;
  const bool colored_;  // not where NO_COLOR is set (no-color.org)
  const Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_at_ = start_;
  bool drawn_ = false;
  ProgressState state_;
};

}  // namespace roxanne::cli
