// Building a collection's index, with a bar, and what is told of it afterwards. What `import` and
// `index` share.
#pragma once

#include <string>
#include <vector>

#include "json/json_object.h"
#include "roxanne/collection.h"
#include "roxanne/options.h"

namespace CLI {
class App;
}

namespace roxanne::cli {

// One after the other; where a build comes back to a phase, its times are added up.
struct IndexPhase {
  std::string name;
  double seconds = 0;
};

// What became of it.
struct IndexOutcome {
  double seconds = 0;
  bool interrupted = false;
  std::string refused;          // why there is no index; "" where there is one or none is due
  uint64_t indexed_points = 0;  // that the index finds now, where it was changed
  uint64_t points = 0;          // of the collection
  IndexReport report;
  std::vector<IndexPhase> phases;
};

// --accelerator cuda|cpu|auto
void add_accelerator(CLI::App& app, Accelerator& out);

// Ctrl-C ends it, cleanly. Other failures than kUnsupported are thrown.
IndexOutcome run_index(Collection collection, IndexOptions options);

// "indexed 1,000 points in 2 s on the processor"; "" where nothing was done.
std::string index_text(const IndexOutcome& outcome);
// Fields index_seconds, index_interrupted, accelerator, accelerator_note and index_phases: seconds
// and points a second of each.
void add_index(json::Object& object, const IndexOutcome& outcome);

}  // namespace roxanne::cli
