#include "eval/output_file.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/status_macros.h"
#include "storage/system_error.h"

namespace roxanne::eval {
namespace {

namespace fs = std::filesystem;

std::string directory_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

class FileSink final : public TextSink {
 public:
  explicit FileSink(std::unique_ptr<OutputFile> file) : file_(std::move(file)) {}
  Status append(const std::string& text) override {
    return file_->append(std::as_bytes(std::span(text)));
  }
  Status commit() override { return file_->commit(); }

 private:
  std::unique_ptr<OutputFile> file_;
};

class StandardOutputSink final : public TextSink {
 public:
  Status append(const std::string& text) override {
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t count = ::write(STDOUT_FILENO, text.data() + done, text.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return storage::system_error(errno, "write standard output");
      done += static_cast<size_t>(count);
    }
    return Status::ok();
  }
  Status commit() override { return Status::ok(); }
};

}  // namespace

OutputFile::OutputFile(std::string path, std::string temporary_path,
                       std::unique_ptr<storage::File> file)
    : path_(std::move(path)), temporary_path_(std::move(temporary_path)), file_(std::move(file)) {}

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (path.empty() || (fs::exists(status) && !fs::is_regular_file(status))) {
    return Status::invalid_argument("cannot write \"" + path + "\": it is not a regular file");
  }
  std::string temporary_path = path + ".tmp";
  ROX_ASSIGN_OR_RETURN(
      auto file, storage::posix_file_system().open(temporary_path, storage::OpenMode::kCreate));
  return std::unique_ptr<OutputFile>(
      new OutputFile(path, std::move(temporary_path), std::move(file)));
}

OutputFile::~OutputFile() {
  if (file_ == nullptr) return;
  file_.reset();
  // Nobody to tell: the file is rubbish either way.
  static_cast<void>(storage::posix_file_system().remove(temporary_path_).is_ok());
}

Status OutputFile::append(std::span<const std::byte> bytes) {
  ROX_RETURN_IF_ERROR(file_->write(bytes_, bytes));
  bytes_ += bytes.size();
  return Status::ok();
}

Status OutputFile::patch(uint64_t offset, std::span<const std::byte> bytes) {
  ROX_ASSERT(offset + bytes.size() <= bytes_);
  return file_->write(offset, bytes);
}

Status OutputFile::commit() {
  storage::FileSystem& file_system = storage::posix_file_system();
  ROX_RETURN_IF_ERROR(file_->sync());
  ROX_RETURN_IF_ERROR(file_system.rename(temporary_path_, path_));
  file_.reset();
  return file_system.sync_directory(directory_of(path_));
}

Result<std::unique_ptr<TextSink>> open_text_sink(const std::string& path) {
  if (path == "-") return std::unique_ptr<TextSink>(std::make_unique<StandardOutputSink>());
  ROX_ASSIGN_OR_RETURN(auto file, OutputFile::create(path));
  return std::unique_ptr<TextSink>(std::make_unique<FileSink>(std::move(file)));
}

}  // namespace roxanne::eval
