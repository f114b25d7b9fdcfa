// The command line of update_rounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/update/load.h"
#include "roxanne/options.h"

namespace roxanne::bench {

struct Options {
  std::string base_path;
  std::string query_path;
  std::string database_path;
  std::string scenario = "replace";
  std::string json_path;
  uint64_t limit = 0;  // rows of the base; 0: all
  size_t rounds = 0;   // 0: the scenario's own
  double share = 0.1;  // that a round replaces
  ClientOptions clients;
  double search_rate = 50;
  double idle_s = 4;  // of searches before each round
  double settle_s_max = 900;
  size_t query_count = 500;
  size_t search_list_size = 40;  // the fixed one
  uint64_t memory_limit_bytes = 0;
  Durability durability = Durability::kFull;
  Metric metric = Metric::kL2;
  bool page_cache = true;
  bool rebuilds_last = false;  // ends with a graph built anew, for comparison
  bool verifies = false;
};

// Ends the program, with a message, where they cannot be understood.
Options parse_options(int argc, char** argv);

}  // namespace roxanne::bench
