#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>

#include "cli/failure.h"

namespace roxanne::cli {
namespace {

// Called with errno as the failed write left it.
[[noreturn]] void fail_output() {
  const StatusCode code = errno == ENOSPC ? StatusCode::kDiskFull : StatusCode::kIoError;
  throw Failure(Status(code, code == StatusCode::kDiskFull
                                 ? "standard output: no space left on the device"
                                 : "standard output cannot be written"));
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

size_t columns_of(std::string_view text) {
  return text.size() -
         static_cast<size_t>(std::count_if(text.begin(), text.end(), continues_character));
}

}  // namespace

void print_line(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_output();
  if (std::fputc('\n', stdout) == EOF) fail_output();
}

void flush_output() {
  if (std::fflush(stdout) != 0) fail_output();
}

void print_message(std::string_view text) {
  std::string line(text);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);  // nobody to tell where this fails
}

bool stdout_is_terminal() { return isatty(STDOUT_FILENO) != 0; }

size_t terminal_columns(size_t fallback) {
  winsize size{};
  for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return fallback;
}

std::string one_line(std::string_view text, size_t columns) {
  std::string clean(text);
  std::replace_if(
      clean.begin(), clean.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  if (columns_of(clean) <= columns) return clean;
  const size_t kept = columns > 3 ? columns - 3 : 0;
  size_t characters = 0;
  size_t end = 0;
  for (; end < clean.size(); ++end) {
    if (!continues_character(clean[end]) && characters++ == kept) break;
  }
  return clean.substr(0, end) + "...";
}

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::string> Table::lines(std::string_view indent) const {
  std::vector<std::string> lines;
  std::vector<size_t> widths(columns_.size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  for (const auto& row : rows_) {
    std::string line(indent);
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - columns_of(row[i]), ' ');
      if (i > 0) line += "  ";
      line += columns_[i] == Align::kRight ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  return lines;
}

void Table::print(std::string_view indent) const {
  for (const std::string& line : lines(indent)) print_line(line);
}

}  // namespace roxanne::cli
