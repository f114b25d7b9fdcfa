// What an import did so far, and how it is told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/index_run.h"
#include "roxanne/options.h"

namespace roxanne::cli {

struct ImportTotals {
  uint64_t rows = 0;                  // dealt with: inserted, replaced or skipped
  std::optional<uint64_t> row_count;  // to import in all, where known
  UpsertCounts counts;
  uint64_t bytes_read = 0;
  double seconds = 0;  // to load the rows
  bool interrupted = false;

  IndexOutcome index;
  std::string regime;  // of the collection in the end
};

// Of the whole, 0 to 1: by rows, else by bytes; absent where neither is known. `bytes_total` 0 is
// not known.
std::optional<double> fraction_done(const ImportTotals& totals, uint64_t bytes_total);

// "40,960 of 1,000,000 rows are in"
std::string kept_text(const ImportTotals& totals);

// A summary on stderr and, with `json`, an object on stdout.
void report_import(const ImportTotals& totals, bool json);

}  // namespace roxanne::cli
