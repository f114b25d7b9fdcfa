#include "cli/import_report.h"

#include "cli/output.h"
#include "cli/units.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

double rows_per_second(const ImportTotals& totals) {
  return totals.seconds > 0 ? static_cast<double>(totals.rows) / totals.seconds : 0;
}

std::string summary(const ImportTotals& totals) {
  if (totals.interrupted) {
    return "interrupted: " + kept_text(totals) +
           ", the database is consistent; run the same command with --on-duplicate skip to go on";
  }
  const UpsertCounts& counts = totals.counts;
  std::string text = "imported " + format_count(totals.rows) + " rows in " +
                     format_duration(totals.seconds) + " (" + format_rate(rows_per_second(totals)) +
                     " rows/s)";
  if (counts.replaced > 0) text += ", " + format_count(counts.replaced) + " replaced";
  if (counts.skipped > 0) text += ", " + format_count(counts.skipped) + " skipped";
  return text;
}

// "" where there is nothing to tell.
std::string index_summary(const ImportTotals& totals) {
  if (totals.index.interrupted) {
    return "interrupted: " + kept_text(totals) +
           ", but not all of them in the index; run the same command with --on-duplicate skip to "
           "go on";
  }
  return index_text(totals.index);
}

}  // namespace

std::optional<double> fraction_done(const ImportTotals& totals, uint64_t bytes_total) {
  if (totals.row_count.value_or(0) > 0) {
    return static_cast<double>(totals.rows) / static_cast<double>(*totals.row_count);
  }
  if (bytes_total == 0) return std::nullopt;
  return static_cast<double>(totals.bytes_read) / static_cast<double>(bytes_total);
}

std::string kept_text(const ImportTotals& totals) {
  std::string text = format_count(totals.rows);
  if (totals.row_count.has_value()) text += " of " + format_count(*totals.row_count);
  return text + " rows are in";
}

void report_import(const ImportTotals& totals, bool json) {
  print_message(summary(totals));
  const std::string of_index = index_summary(totals);
  if (!of_index.empty()) print_message(of_index);
  if (!json) return;
  json::Object object;
  object.add("rows", totals.rows).add("inserted", totals.counts.inserted);
  object.add("replaced", totals.counts.replaced).add("skipped", totals.counts.skipped);
  object.add("seconds", totals.seconds).add("rows_per_second", rows_per_second(totals));
  object.add("bytes_read", totals.bytes_read).flag("interrupted", totals.interrupted);
  object.add("regime", totals.regime);
  add_index(object, totals.index);
  print_line(object.text());
}

}  // namespace roxanne::cli
