#include "cli/index_run.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/common.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/units.h"

namespace roxanne::cli {
namespace {

double points_per_second(const IndexOutcome& outcome, double seconds) {
  return seconds > 0 ? static_cast<double>(outcome.points) / seconds : 0;
}

// Tells which phase the time since the last call went to.
class PhaseTimes {
 public:
  explicit PhaseTimes(std::vector<IndexPhase>& phases) : phases_(phases) {}

  // `seconds` since the beginning; "" = the end.
  void enter(std::string_view phase, double seconds) {
    if (current_ < phases_.size()) phases_[current_].seconds += seconds - entered_at_;
    entered_at_ = seconds;
    const auto found = std::find_if(phases_.begin(), phases_.end(),
                                    [&](const IndexPhase& known) { return known.name == phase; });
    current_ = static_cast<size_t>(found - phases_.begin());
    if (found == phases_.end() && !phase.empty()) phases_.push_back({std::string(phase), 0});
  }

 private:
  std::vector<IndexPhase>& phases_;
  size_t current_ = SIZE_MAX;
  double entered_at_ = 0;
};

}  // namespace

void add_accelerator(CLI::App& app, Accelerator& out) {
  const auto parse = [&out](const std::string& value) {
    if (value == "auto") out = Accelerator::kAuto;
    if (value == "cpu") out = Accelerator::kCpu;
    if (value == "cuda") out = Accelerator::kCuda;
    return value == "auto" || value == "cpu" || value == "cuda";
  };
  add_choice(app, "--accelerator", "cuda|cpu|auto", parse,
             "what computes the index (default: auto, a GPU where there is one)");
}

IndexOutcome run_index(Collection collection, IndexOptions options) {
  IndexOutcome outcome;
  const CollectionInfo before = take(collection.info());
  outcome.points = before.points;
  Progress progress("index", "points");
  PhaseTimes times(outcome.phases);
  options.report = &outcome.report;
  options.progress = [&](std::string_view phase, double fraction) {
    times.enter(phase, progress.seconds());
    progress.relabel("index: " + std::string(phase));
    progress.update(static_cast<uint64_t>(fraction * static_cast<double>(before.points)), fraction);
    return !interrupted();
  };
  const Status built = collection.build_index(options);
  outcome.seconds = progress.seconds();
  times.enter("", outcome.seconds);
  if (built.code() == StatusCode::kCancelled) {
    outcome.interrupted = true;
  } else if (built.code() == StatusCode::kUnsupported) {
    outcome.refused = built.message();
  } else {
    require(built);
    const uint64_t indexed = take(collection.info()).index.points;
    if (indexed != before.index.points) outcome.indexed_points = indexed;
  }
  return outcome;
}

std::string index_text(const IndexOutcome& outcome) {
  if (!outcome.refused.empty()) {
    return "no index was built, searches compare with every vector: " + outcome.refused;
  }
  if (outcome.indexed_points == 0) return "";
  std::string text = "indexed " + format_count(outcome.indexed_points) + " points in " +
                     format_duration(outcome.seconds);
  if (outcome.report.accelerator == "cuda") text += ", with CUDA";
  if (!outcome.report.accelerator_note.empty())
    text += " (" + outcome.report.accelerator_note + ")";
  return text;
}

void add_index(json::Object& object, const IndexOutcome& outcome) {
  object.add("index_seconds", outcome.seconds).flag("index_interrupted", outcome.interrupted);
  object.add("accelerator", outcome.report.accelerator);
  object.add("accelerator_note", outcome.report.accelerator_note);
  std::vector<std::string> phases;
  for (const IndexPhase& phase : outcome.phases) {
    json::Object one;
    one.add("phase", phase.name).add("seconds", phase.seconds);
    one.add("points_per_second", points_per_second(outcome, phase.seconds));
    phases.push_back(one.text());
  }
  object.raw("index_phases", json::list(phases));
}

}  // namespace roxanne::cli
