// What changes, round by round: which rows of the base are in the collection at first, which leave
// and which come. A row's number is its key.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/update/vectors.h"

namespace roxanne::bench {

// Rows leave before others come.
struct Round {
  std::vector<uint32_t> erased;
  std::vector<uint32_t> inserted;
};

class Scenario {
 public:
  virtual ~Scenario() = default;
  // The rows before the first round. Called once, first.
  virtual std::vector<uint32_t> first_rows() = 0;
  virtual Round next() = 0;
  // Whether the next round waits until the background has done what there is to do.
  virtual bool waits_between_rounds() const { return true; }
};

struct ScenarioOptions {
  uint64_t rows = 0;  // of the base that are used
  size_t rounds = 10;
  double share = 0.1;  // of the live points that a round replaces
  uint64_t seed = 1;
};

// "replace, window, ...", for help and errors.
std::string scenario_names();
size_t default_rounds(std::string_view name);
// Null where there is no scenario of that name. Clusters the rows where the scenario wants that.
std::unique_ptr<Scenario> make_scenario(std::string_view name, const VectorFile& base,
                                        const ScenarioOptions& options);

}  // namespace roxanne::bench
