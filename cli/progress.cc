#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "cli/output.h"
#include "cli/units.h"

namespace roxanne::cli {
namespace {

constexpr size_t kBarColumns = 24;
constexpr std::chrono::milliseconds kRedrawInterval{100};
// Before that, a rate says nothing.
constexpr double kRateSecondsMin = 0.5;

std::string bar(double fraction) {
  const auto filled = static_cast<size_t>(std::floor(fraction * static_cast<double>(kBarColumns)));
  std::string out(filled, '=');
  if (filled < kBarColumns) out += '>';
  out.resize(kBarColumns, ' ');
  return "[" + out + "]";
}

bool set_in_environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets it
  return value != nullptr && *value != '\0';
}

bool is_dumb_terminal() {
  const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): nothing sets it
  return term == nullptr || std::strcmp(term, "dumb") == 0;
}

}  // namespace

std::string progress_line(const ProgressState& state) {
  std::string line = state.label + "  ";
  if (state.fraction.has_value()) {
    const double fraction = std::clamp(*state.fraction, 0.0, 1.0);
    line += bar(fraction) + "  " + format_fixed(std::floor(fraction * 100), 0) + "%  ";
  } else {
    line += format_count(state.done) + " " + state.unit + "  ";
  }
  if (state.seconds < kRateSecondsMin) return line;
  if (state.done > 0) {
    line +=
        format_rate(static_cast<double>(state.done) / state.seconds) + " " + state.unit + "/s  ";
  }
  if (state.fraction.value_or(0) > 0) {
    const double fraction = std::min(*state.fraction, 1.0);
    line += format_duration(state.seconds * (1 - fraction) / fraction) + " left";
  } else {
    line += format_duration(state.seconds);
  }
  return line;
}

Progress::Progress(std::string label, std::string unit)
    : visible_(isatty(STDERR_FILENO) != 0 && !is_dumb_terminal()),
      colored_(!set_in_environment("NO_COLOR")) {
  state_.label = std::move(label);
  state_.unit = std::move(unit);
}

Progress::~Progress() { wipe(); }

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void Progress::update(uint64_t done, std::optional<double> fraction) {
  state_.done = done;
  state_.fraction = fraction;
  const auto now = Clock::now();
  if (!visible_ || now - drawn_at_ < kRedrawInterval) return;
  drawn_at_ = now;
  draw();
}

void Progress::draw() {
  state_.seconds = seconds();
  const std::string line = one_line(progress_line(state_), terminal_columns(80) - 1);
  const std::string_view before = colored_ ? "\r\x1b[K\x1b[36m" : "\r\x1b[K";
  const std::string_view after = colored_ ? "\x1b[0m" : "";
  const std::string text = std::string(before) + line + std::string(after);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::wipe() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

}  // namespace roxanne::cli
