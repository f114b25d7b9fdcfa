// Where the readers' bytes come from: a whole file of known size, or a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::eval {

// An open regular file and what messages call it.
struct InputFile {
  std::unique_ptr<storage::File> file;
  std::string name;
  uint64_t bytes = 0;

  // Fills `out`; kInvalidArgument that names `what` where the file ends before.
  Status read_exactly(uint64_t offset, std::span<std::byte> out, const char* what) const;
};

// kInvalidArgument for a directory, a pipe or a device: those have no size to check a header with.
Result<InputFile> open_input_file(const std::string& path);
Result<InputFile> input_file_of(std::unique_ptr<storage::File> file, std::string name);

// Bytes in order, once. One thread at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // At least one byte; 0 at the end only.
  virtual Result<size_t> read(std::span<std::byte> out) = 0;
  // Of the outermost input: compressed bytes where it is compressed.
  virtual uint64_t bytes_done() const = 0;
  virtual uint64_t bytes_total() const = 0;  // 0 where unknown
};

// A regular file, a pipe, or "-" for standard input; decompressed where the path ends in ".zst".
Result<std::unique_ptr<ByteSource>> open_byte_source(const std::string& path);
std::unique_ptr<ByteSource> file_source(InputFile input);
// Decompresses any number of zstd frames. `name` is for messages.
std::unique_ptr<ByteSource> zstd_source(std::unique_ptr<ByteSource> compressed, std::string name);

}  // namespace roxanne::eval
