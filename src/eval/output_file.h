// Where the writers' bytes go: a file that appears whole or not at all, or standard output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::eval {

// Writes `path`.tmp; commit() makes it `path`. Destroyed before, it removes what it wrote. One
// thread at a time.
class OutputFile {
 public:
  // kInvalidArgument where `path` is there and is not a regular file: a rename would replace it.
  static Result<std::unique_ptr<OutputFile>> create(const std::string& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  Status append(std::span<const std::byte> bytes);
  // Overwrites bytes that were appended: a header whose row count is known only now.
  Status patch(uint64_t offset, std::span<const std::byte> bytes);
  // Durable, name included, on return.
  Status commit();

  const std::string& temporary_path() const { return temporary_path_; }
  const std::string& path() const { return path_; }

 private:
  OutputFile(std::string path, std::string temporary_path, std::unique_ptr<storage::File> file);

  std::string path_;
  std::string temporary_path_;
  std::unique_ptr<storage::File> file_;  // null once committed
  uint64_t bytes_ = 0;
};

// Where text goes: an OutputFile, or standard output for "-".
class TextSink {
 public:
  virtual ~TextSink() = default;
  virtual Status append(const std::string& text) = 0;
  virtual Status commit() = 0;
};
Result<std::unique_ptr<TextSink>> open_text_sink(const std::string& path);

}  // namespace roxanne::eval
