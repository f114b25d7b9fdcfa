#include "eval/input_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "storage/system_error.h"

namespace roxanne::eval {
namespace {

namespace fs = std::filesystem;

// The window a zstd frame may ask for: 128 MiB, what `zstd --long` writes.
constexpr int kZstdWindowLogMax = 27;

std::string offset_text(uint64_t offset) { return " at byte " + std::to_string(offset); }

class FileSource final : public ByteSource {
 public:
  explicit FileSource(InputFile input) : input_(std::move(input)) {}

  Result<size_t> read(std::span<std::byte> out) override {
    ROX_ASSIGN_OR_RETURN(const size_t count, input_.file->read(offset_, out));
    offset_ += count;
    return count;
  }
  uint64_t bytes_done() const override { return offset_; }
  uint64_t bytes_total() const override { return input_.bytes; }

 private:
  InputFile input_;
  uint64_t offset_ = 0;
};

// Standard input, a pipe or a device.
class DescriptorSource final : public ByteSource {
 public:
  DescriptorSource(int descriptor, std::string name)
      : descriptor_(descriptor), name_(std::move(name)) {}
  DescriptorSource(const DescriptorSource&) = delete;
  DescriptorSource& operator=(const DescriptorSource&) = delete;
  ~DescriptorSource() override {
    if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
  }

  Result<size_t> read(std::span<std::byte> out) override {
    ssize_t count = -1;
    do {
      count = ::read(descriptor_, out.data(), out.size());
    } while (count < 0 && errno == EINTR);
    if (count < 0) return storage::system_error(errno, "read " + name_ + offset_text(offset_));
    offset_ += static_cast<uint64_t>(count);
    return static_cast<size_t>(count);
  }
  uint64_t bytes_done() const override { return offset_; }
  uint64_t bytes_total() const override { return 0; }

 private:
  int descriptor_;
  std::string name_;
  uint64_t offset_ = 0;
};

struct FreeZstdStream {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

class ZstdSource final : public ByteSource {
 public:
  ZstdSource(std::unique_ptr<ByteSource> compressed, std::string name)
      : compressed_(std::move(compressed)),
        name_(std::move(name)),
        buffer_(ZSTD_DStreamInSize()),
        stream_(ZSTD_createDStream()) {
    ROX_CHECK(stream_ != nullptr);
    ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }

  Result<size_t> read(std::span<std::byte> out) override {
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    while (output.pos == 0) {
      if (input_.pos == input_.size && !output_was_full_) {
        ROX_ASSIGN_OR_RETURN(const bool more, refill());
        if (!more) return size_t{0};
      }
      const size_t hint = ZSTD_decompressStream(stream_.get(), &output, &input_);
      if (ZSTD_isError(hint)) {
        return invalid(std::string("expected zstd data, found what zstd calls \"") +
                       ZSTD_getErrorName(hint) + "\"");
      }
      inside_frame_ = hint != 0;
      output_was_full_ = inside_frame_ && output.pos == output.size;
    }
    return output.pos;
  }
  uint64_t bytes_done() const override { return compressed_->bytes_done(); }
  uint64_t bytes_total() const override { return compressed_->bytes_total(); }

 private:
  Status invalid(const std::string& problem) const {
    return Status::invalid_argument(name_ + ": near byte " +
                                    std::to_string(compressed_->bytes_done()) + ": " + problem);
  }

  // False at the end of the input, which must be the end of a frame.
  Result<bool> refill() {
    ROX_ASSIGN_OR_RETURN(const size_t count, compressed_->read(buffer_));
    input_ = {buffer_.data(), count, 0};
    if (count > 0) return true;
    if (compressed_->bytes_done() == 0) return invalid("is empty: expected a zstd frame");
    if (inside_frame_) return invalid("expected the rest of a zstd frame, found the end");
    return false;
  }

  std::unique_ptr<ByteSource> compressed_;
  std::string name_;
  std::vector<std::byte> buffer_;
  std::unique_ptr<ZSTD_DStream, FreeZstdStream> stream_;
  ZSTD_inBuffer input_{nullptr, 0, 0};
  bool inside_frame_ = false;
  bool output_was_full_ = false;  // then zstd may hold more without more input
};

Result<std::unique_ptr<ByteSource>> open_plain_source(const std::string& path) {
  if (path == "-") {
    return std::unique_ptr<ByteSource>(
        std::make_unique<DescriptorSource>(STDIN_FILENO, "standard input"));
  }
  std::error_code ignored;
  const fs::file_type type = fs::status(path, ignored).type();
  if (type != fs::file_type::fifo && type != fs::file_type::character) {
    ROX_ASSIGN_OR_RETURN(InputFile input, open_input_file(path));
    return file_source(std::move(input));
  }
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return storage::system_error(errno, "open " + path);
  return std::unique_ptr<ByteSource>(std::make_unique<DescriptorSource>(descriptor, path));
}

}  // namespace

Status InputFile::read_exactly(uint64_t offset, std::span<std::byte> out, const char* what) const {
  ROX_ASSIGN_OR_RETURN(const size_t count, file->read(offset, out));
  if (count == out.size()) return Status::ok();
  return Status::invalid_argument(name + ": expected " + std::to_string(out.size()) + " bytes of " +
                                  what + offset_text(offset) +
                                  ", found the end of the file after " + std::to_string(count));
}

Result<InputFile> open_input_file(const std::string& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    return Status::invalid_argument(
        path + ": expected a file, found " +
        (fs::is_directory(status) ? "a directory" : "a pipe or device"));
  }
  ROX_ASSIGN_OR_RETURN(auto file,
                       storage::posix_file_system().open(path, storage::OpenMode::kRead));
  return input_file_of(std::move(file), path);
}

Result<InputFile> input_file_of(std::unique_ptr<storage::File> file, std::string name) {
  ROX_ASSIGN_OR_RETURN(const uint64_t bytes, file->size());
  return InputFile{std::move(file), std::move(name), bytes};
}

Result<std::unique_ptr<ByteSource>> open_byte_source(const std::string& path) {
  ROX_ASSIGN_OR_RETURN(auto source, open_plain_source(path));
  if (!path.ends_with(".zst")) return source;
  return zstd_source(std::move(source), path);
}

std::unique_ptr<ByteSource> file_source(InputFile input) {
  return std::make_unique<FileSource>(std::move(input));
}

std::unique_ptr<ByteSource> zstd_source(std::unique_ptr<ByteSource> compressed, std::string name) {
  return std::make_unique<ZstdSource>(std::move(compressed), std::move(name));
}

}  // namespace roxanne::eval
