// stdout and stderr: data goes to the first, messages to the second.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace roxanne::cli {

// `text` and a line end to stdout. Failure where stdout cannot be written: a full disk, say.
void print_line(std::string_view text);
void flush_output();

// One line on stderr.
void print_message(std::string_view text);

bool stdout_is_terminal();
// Columns of the terminal behind stdout or stderr; `fallback` where there is none.
size_t terminal_columns(size_t fallback);

// Printable on one line of a terminal: control characters become spaces, and what is longer than
// `columns` ends in "...". Counts UTF-8 characters as one column each.
std::string one_line(std::string_view text, size_t columns);

// Rows of cells, printed in aligned columns.
class Table {
 public:
  enum class Align : unsigned char { kLeft, kRight };
  explicit Table(std::vector<Align> columns) : columns_(std::move(columns)) {}
  void add_row(std::vector<std::string> cells);  // as many as there are columns
  // The rows, each behind `indent`.
  std::vector<std::string> lines(std::string_view indent = "") const;
  // The same to stdout.
  void print(std::string_view indent = "") const;

 private:
  std::vector<Align> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace roxanne::cli
