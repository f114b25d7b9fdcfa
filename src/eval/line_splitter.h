// Lines of a byte stream, in memory bounded by the longest line allowed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "eval/input_file.h"
#include "eval/vector_io.h"
#include "roxanne/status.h"

namespace roxanne::eval {

// Ends are "\n" or "\r\n"; the last line needs none. A UTF-8 byte order mark at the start is
// skipped. One thread at a time.
class LineSplitter {
 public:
  // `name` is for messages.
  LineSplitter(std::unique_ptr<ByteSource> source, std::string name);

  // False at the end. `line` is valid until the next call. kInvalidArgument where a line is longer
  // than LineReader::kLineBytesMax.
  Result<bool> next(std::string_view& line);

  // Of the line returned last, from 1.
  uint64_t line_number() const { return line_number_; }
  const std::string& name() const { return name_; }
  const ByteSource& source() const { return *source_; }

 private:
  // Reads more behind end_; false at the end of the input.
  Result<bool> refill();
  Status too_long() const;

  std::unique_ptr<ByteSource> source_;
  std::string name_;
  std::vector<char> buffer_;
  size_t begin_ = 0;  // first byte not yet returned
  size_t end_ = 0;    // past the last byte read
  uint64_t line_number_ = 0;
};

// The internal door of open_line_reader().
std::unique_ptr<LineReader> make_line_reader(std::unique_ptr<ByteSource> source, std::string name);

}  // namespace roxanne::eval
