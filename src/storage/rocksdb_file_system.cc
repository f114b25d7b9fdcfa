#include "storage/rocksdb_file_system.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace roxanne::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// What a missing file is called depends on the question, as in RocksDB's own file system: an answer
// ("NotFound") where it asked whether something is there, else a failure ("PathNotFound").
enum class Missing : uint8_t { kIsFailure, kIsAnswer };

constexpr uint64_t kLogAheadBytes = 32u << 10;
constexpr uint64_t kSystemPageBytes = 4096;

IOStatus to_rocksdb(const Status& status, Missing missing = Missing::kIsFailure) {
  switch (status.code()) {
    case StatusCode::kOk:
      return IOStatus::OK();
    case StatusCode::kNotFound:
      if (missing == Missing::kIsAnswer) return IOStatus::NotFound(status.message());
      return IOStatus::PathNotFound(status.message());
    case StatusCode::kDiskFull:
      return IOStatus::NoSpace(status.message());
    case StatusCode::kLocked:
      return IOStatus::Busy(status.message());
    case StatusCode::kCorruption:
      return IOStatus::Corruption(status.message());
    case StatusCode::kInvalidArgument:
      return IOStatus::InvalidArgument(status.message());
    case StatusCode::kUnsupported:
      return IOStatus::NotSupported(status.message());
    case StatusCode::kAlreadyExists:
    case StatusCode::kReadOnly:
    case StatusCode::kIoError:
    case StatusCode::kCancelled:
      return IOStatus::IOError(status.message());
  }
  return IOStatus::IOError(status.message());
}

template <typename T>
IOStatus answer(Result<T> result, T* out, Missing missing = Missing::kIsFailure) {
  if (!result.is_ok()) return to_rocksdb(result.status(), missing);
  *out = *std::move(result);
  return IOStatus::OK();
}

std::span<const std::byte> bytes_of(const Slice& data) {
  return {reinterpret_cast<const std::byte*>(data.data()), data.size()};
}

IOStatus read_at(const File& file, uint64_t offset, std::span<char> scratch, Slice* result) {
  const Result<size_t> count =
      file.read(offset, {reinterpret_cast<std::byte*>(scratch.data()), scratch.size()});
  *result = Slice(scratch.data(), count.is_ok() ? *count : 0);
  return to_rocksdb(count.status());
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  IOStatus Read(size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    IOStatus status = read_at(*file_, position_, {scratch, n}, result);
    position_ += result->size();
    return status;
  }
  IOStatus Skip(uint64_t n) override {  // past the end is fine: reads there find nothing
    position_ += n;
    return IOStatus::OK();
  }
  IOStatus InvalidateCache(size_t, size_t) override { return IOStatus::OK(); }

 private:
  std::unique_ptr<File> file_;
  uint64_t position_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return read_at(*file_, offset, {scratch, n}, result);
  }
  IOStatus InvalidateCache(size_t, size_t) override { return IOStatus::OK(); }

 private:
  std::unique_ptr<File> file_;
};

// RocksDB gathers small appends itself before they come here.
class WritableFile : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::unique_ptr<File> file, uint64_t size, const FileOptions& options)
      : FSWritableFile(options), file_(std::move(file)), size_(size) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const Status status = file_->write(size_, bytes_of(data));
    if (status.is_ok()) size_ += data.size();
    return to_rocksdb(status);
  }
  using FSWritableFile::PositionedAppend;
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions&,
                            IODebugContext*) override {
    const Status status = file_->write(offset, bytes_of(data));
    if (status.is_ok()) size_ = std::max(size_, offset + data.size());
    return to_rocksdb(status);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    const Status status = file_->truncate(size);
    if (status.is_ok()) size_ = size;
    return to_rocksdb(status);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return to_rocksdb(file_->sync()); }
  // File::sync() touches nothing that Append() does; the write-ahead log relies on this.
  bool IsSyncThreadSafe() const override { return true; }
  IOStatus Close(const IOOptions&, IODebugContext*) override {
    file_.reset();
    return IOStatus::OK();
  }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }
  IOStatus InvalidateCache(size_t, size_t) override { return IOStatus::OK(); }

 protected:
  std::unique_ptr<File> file_;
  uint64_t size_;
};

// A write-ahead log, which is synced after every few hundred bytes. A sync of a file that has grown
// writes its inode too (and the journal, where the file system has one), so the file grows by zeros
// ahead of what is logged. Not by allocate(): the first write to a reserved block changes the inode
// as well. RocksDB passes over zeros where it reads a log, and what was cut off before them does
// not pass for whole: every piece of a record has a checksum. The zeros stay when it is closed: a
// file that shrinks would have to be synced once more before anybody relies on its size.
class LogFile final : public WritableFile {
 public:
  // `logged` is told how much of the file is not zeros.
  LogFile(std::unique_ptr<File> file, const FileOptions& options,
          std::shared_ptr<std::atomic<uint64_t>> logged)
      : WritableFile(std::move(file), 0, options), logged_(std::move(logged)) {}

  using WritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    const uint64_t end = size_ + data.size();
    if (end > zeros_end_ && data.size() <= kLogAheadBytes / 4) write_zeros(end);
    const IOStatus status = WritableFile::Append(data, options, context);
    *logged_ = size_;
    return status;
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* context) override {
    const IOStatus status = WritableFile::Truncate(size, options, context);
    zeros_end_ = 0;
    *logged_ = size_;
    return status;
  }

 private:
  // Where it fails the append is not hindered: it will meet the same trouble if that is still
  // there.
  void write_zeros(uint64_t begin) {
    static constexpr std::array<std::byte, kSystemPageBytes> kZeros{};
    const uint64_t end = (begin / kLogAheadBytes + 1) * kLogAheadBytes;
    // Page by page: Linux keeps what is written at once as one large page, and counts (and may
    // write) all of it whenever a part has changed.
    for (uint64_t at = begin; at < end;) {
      const uint64_t length = kSystemPageBytes - at % kSystemPageBytes;
      if (!file_->write(at, std::span(kZeros).first(length)).is_ok()) {
        (void)file_->truncate(size_);
        return;
      }
      at += length;
    }
    zeros_end_ = end;
  }

  uint64_t zeros_end_ = 0;  // the file's size, where that is beyond size_
  const std::shared_ptr<std::atomic<uint64_t>> logged_;
};

class RandomRWFile final : public rocksdb::FSRandomRWFile {
 public:
  explicit RandomRWFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  IOStatus Write(uint64_t offset, const Slice& data, const IOOptions&, IODebugContext*) override {
    return to_rocksdb(file_->write(offset, bytes_of(data)));
  }
  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return read_at(*file_, offset, {scratch, n}, result);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return to_rocksdb(file_->sync()); }
  IOStatus Close(const IOOptions&, IODebugContext*) override {
    file_.reset();
    return IOStatus::OK();
  }

 private:
  std::unique_ptr<File> file_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return to_rocksdb(files_.sync_directory(path_));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  FileSystem& files_;
  std::string path_;
};

class HeldLock final : public rocksdb::FileLock {
 public:
  explicit HeldLock(std::unique_ptr<storage::FileLock> lock) : lock_(std::move(lock)) {}

 private:
  std::unique_ptr<storage::FileLock> lock_;
};

// The library never prints and leaves no LOG files behind.
class SilentLogger final : public rocksdb::Logger {
 public:
  SilentLogger() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  void Logv(rocksdb::InfoLogLevel, const char*, va_list) override {}
  void LogHeader(const char*, va_list) override {}

 protected:
  rocksdb::Status CloseImpl() override { return rocksdb::Status::OK(); }
};

class RocksdbFileSystem final : public rocksdb::FileSystem {
 public:
  explicit RocksdbFileSystem(storage::FileSystem& files) : files_(files) {}

  const char* Name() const override { return "RoxanneFileSystem"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override {
    return open_as<SequentialFile>(path, OpenMode::kRead, result);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    return open_as<RandomAccessFile>(path, OpenMode::kRead, result);
  }
  IOStatus NewRandomRWFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                           IODebugContext*) override {
    return open_as<RandomRWFile>(path, OpenMode::kReadWrite, result);
  }
  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    result->reset();
    auto file = files_.open(path, OpenMode::kCreate);
    if (!file.is_ok()) return to_rocksdb(file.status());
    if (path.ends_with(".log")) {
      auto logged = std::make_shared<std::atomic<uint64_t>>(0);
      {
        const std::lock_guard lock(logs_mutex_);
        std::erase_if(logs_, [](const auto& log) { return log.second.expired(); });
        logs_[path] = logged;
      }
      *result = std::make_unique<LogFile>(*std::move(file), options, std::move(logged));
    } else {
      *result = std::make_unique<WritableFile>(*std::move(file), 0, options);
    }
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext*) override {
    result->reset();
    auto file = files_.open(path, OpenMode::kReadWrite);
    if (!file.is_ok()) return to_rocksdb(file.status());
    const Result<uint64_t> size = (*file)->size();
    if (!size.is_ok()) return to_rocksdb(size.status());
    *result = std::make_unique<WritableFile>(*std::move(file), *size, options);
    return IOStatus::OK();
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override {
    result->reset();
    const Result<bool> is_there = files_.is_directory(path);
    if (!is_there.is_ok()) return to_rocksdb(is_there.status());
    if (!*is_there) return IOStatus::PathNotFound("open directory " + path);
    *result = std::make_unique<Directory>(files_, path);
    return IOStatus::OK();
  }

  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const Result<bool> is_there = files_.exists(path);
    if (!is_there.is_ok()) return to_rocksdb(is_there.status());
    return *is_there ? IOStatus::OK() : IOStatus::NotFound();
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    result->clear();
    return answer(files_.list(path), result, Missing::kIsAnswer);
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* result,
                       IODebugContext*) override {
    return answer(files_.is_directory(path), result);
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* result,
                       IODebugContext*) override {
    {
      // What is logged after this question must not get into a copy: zeros of now may be more then.
      const std::lock_guard lock(logs_mutex_);
      const auto log = logs_.find(path);
      if (log != logs_.end()) {
        if (const auto logged = log->second.lock()) {
          *result = *logged;
          return IOStatus::OK();
        }
      }
    }
    return answer(files_.file_size(path), result);
  }
  IOStatus GetFileModificationTime(const std::string& path, const IOOptions&, uint64_t* result,
                                   IODebugContext*) override {
    return answer(files_.modified_seconds(path), result);
  }
  IOStatus GetFreeSpace(const std::string& path, const IOOptions&, uint64_t* result,
                        IODebugContext*) override {
    return answer(files_.free_bytes(path), result);
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return to_rocksdb(files_.remove(path));
  }
  IOStatus Truncate(const std::string& path, size_t size, const IOOptions&,
                    IODebugContext*) override {
    const Result<bool> is_there = files_.exists(path);  // kReadWrite would make it
    if (!is_there.is_ok()) return to_rocksdb(is_there.status());
    if (!*is_there) return IOStatus::PathNotFound("truncate " + path);
    auto file = files_.open(path, OpenMode::kReadWrite);
    if (!file.is_ok()) return to_rocksdb(file.status());
    return to_rocksdb((*file)->truncate(size));
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    const Result<bool> is_there = files_.exists(path);
    if (!is_there.is_ok()) return to_rocksdb(is_there.status());
    if (*is_there) return IOStatus::IOError("create directory " + path + ": is there already");
    return to_rocksdb(files_.create_directory(path));
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    // Asked for on every open: one for reading must not even try to change anything.
    const Result<bool> is_there = files_.is_directory(path);
    if (is_there.is_ok() && *is_there) return IOStatus::OK();
    return to_rocksdb(files_.create_directory(path));
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return to_rocksdb(files_.remove_directory(path));
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return to_rocksdb(files_.rename(from, to));
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    return to_rocksdb(files_.link(from, to));
  }

  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** result,
                    IODebugContext*) override {
    *result = nullptr;
    auto lock = files_.lock(path, LockMode::kExclusive);
    if (!lock.is_ok()) return to_rocksdb(lock.status());
    *result = new HeldLock(*std::move(lock));  // RocksDB owns it until UnlockFile()
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete lock;
    return IOStatus::OK();
  }

  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<SilentLogger>();
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "/tmp";
    return IOStatus::OK();
  }
  // Used for names only; a relative path means the same to the FileSystem below.
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result,
                           IODebugContext*) override {
    *result = path;
    return IOStatus::OK();
  }

 private:
  template <typename Adapter, typename Interface>
  IOStatus open_as(const std::string& path, OpenMode mode, std::unique_ptr<Interface>* result) {
    result->reset();
    auto file = files_.open(path, mode);
    if (!file.is_ok()) return to_rocksdb(file.status());
    *result = std::make_unique<Adapter>(*std::move(file));
    return IOStatus::OK();
  }

  storage::FileSystem& files_;
  std::mutex logs_mutex_;
  // How much of each log that is open is logged.
  std::unordered_map<std::string, std::weak_ptr<std::atomic<uint64_t>>> logs_;
};

StatusCode code_of(const rocksdb::Status& status) {
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit)
    return StatusCode::kDiskFull;
  if (status.IsNotFound() || status.IsPathNotFound()) return StatusCode::kNotFound;
  if (status.IsCorruption()) return StatusCode::kCorruption;
  if (status.IsBusy()) return StatusCode::kLocked;
  if (status.IsInvalidArgument()) return StatusCode::kInvalidArgument;
  if (status.IsNotSupported()) return StatusCode::kUnsupported;
  if (status.IsShutdownInProgress() || status.IsManualCompactionPaused()) {
    return StatusCode::kCancelled;
  }
  return StatusCode::kIoError;
}

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_rocksdb_file_system(FileSystem& file_system) {
  return std::make_shared<RocksdbFileSystem>(file_system);
}

Status from_rocksdb(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return Status::ok();
  // The text alone, where there is one: the code already says what kind of failure it was.
  std::string text = status.getState() != nullptr ? status.getState() : status.ToString();
  return Status(code_of(status), std::move(text)).with_context(doing);
}

}  // namespace roxanne::storage
