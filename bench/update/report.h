// What one round came to, as a line of JSON and as a row of a table.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/update/load.h"
#include "bench/update/quality.h"
#include "roxanne/roxanne.h"

namespace roxanne::bench {

// One kind of writes in a round. Bytes are those written until the engine came to rest.
struct PhaseReport {
  uint64_t points = 0;
  double acknowledged_s = 0;
  double indexed_s = 0;
  double rest_s = 0;
  bool is_settled = false;
  uint64_t tail = 0;
  uint64_t bytes_to_disk = 0;
  uint64_t bytes_by_calls = 0;
  uint64_t pages_read = 0;     // from the disk, to change the graph
  uint64_t pages_written = 0;  // of the graph
  SearchTimes search;          // meanwhile

  double acknowledged_rate() const { return rate(acknowledged_s); }
  // 0 where points were left that searches compare with one by one.
  double indexed_rate() const { return tail > 0 ? 0 : rate(indexed_s); }
  double per_point(uint64_t count) const {
    return points == 0 ? 0 : static_cast<double>(count) / static_cast<double>(points);
  }

 private:
  double rate(double seconds) const {
    return seconds <= 0 ? 0 : static_cast<double>(points) / seconds;
  }
};

struct RoundReport {
  std::string scenario;
  std::string round;  // "first", a number, or "rebuilt"
  SearchTimes idle_search;
  PhaseReport erase;
  PhaseReport insert;
  std::optional<Quality> unsettled;  // automatic list size, as soon as writes were acknowledged
  Quality fixed;
  Quality automatic;
  std::optional<Quality> at_target;
  CollectionInfo collection;
  DatabaseInfo database;
  std::map<std::string, uint64_t> disk_bytes_at_once;  // when the searches after it were done
  std::map<std::string, uint64_t> disk_bytes;          // at rest, where the round waits
  uint64_t resident_peak = 0;                          // while points were written
  uint64_t anonymous_peak = 0;                         // of it, not pages of files
  uint64_t resident_peak_exact = 0;                    // exact searches included
};

std::string to_json(RoundReport& report);
void print_table_head(std::FILE* out);
void print_table_row(std::FILE* out, RoundReport& report);

}  // namespace roxanne::bench
