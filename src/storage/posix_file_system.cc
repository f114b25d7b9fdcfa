// The operating system's files.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "storage/file_system.h"
#include "storage/system_error.h"

namespace roxanne::storage {
namespace {

constexpr mode_t kFilePermissions = 0644;
constexpr mode_t kDirectoryPermissions = 0755;
constexpr size_t kPidTextBytesMax = 32;

std::string at(const char* what, const std::string& path, uint64_t offset) {
  return std::string(what) + " " + path + " at " + std::to_string(offset);
}

Status path_error(const char* what, const std::string& path) {
  const int error_number = errno;
  return system_error(error_number, std::string(what) + " " + path);
}

// Calls again while a signal interrupts.
template <typename Call>
auto without_interrupts(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  // Linux frees the number even where close() fails, so there is nothing to retry or to report:
  // what had to be durable was synced before.
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_;
};

Descriptor open_descriptor(const std::string& path, int flags) {
  return Descriptor(without_interrupts(
      [&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFilePermissions); }));
}

enum class Caching : uint8_t { kPageCache, kDirect };

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path, Caching caching)
      : descriptor_(std::move(descriptor)), path_(std::move(path)), caching_(caching) {}

  Result<size_t> read(uint64_t offset, std::span<std::byte> out) const override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t count = ::pread(descriptor(), out.data() + done, out.size() - done,
                                    static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return system_error(errno, at("read", path_, offset + done));
      if (count == 0) break;
      done += static_cast<size_t>(count);
      // Past the page cache only the file's end cuts a page short, and the next offset would not be
      // aligned.
      if (caching_ == Caching::kDirect && done % base::kPageBytes != 0) break;
    }
    return done;
  }

  Status write(uint64_t offset, std::span<const std::byte> bytes) override {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count = ::pwrite(descriptor(), bytes.data() + done, bytes.size() - done,
                                     static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return system_error(errno, at("write", path_, offset + done));
      done += static_cast<size_t>(count);
    }
    return Status::ok();
  }

  // fdatasync also writes the size: without it the data could not be read back. No retry: after a
  // failure the kernel forgets which pages it lost, and a second call would wrongly succeed.
  Status sync() override {
    if (::fdatasync(descriptor()) != 0) return path_error("sync", path_);
    return Status::ok();
  }

  Status truncate(uint64_t size) override {
    const int result =
        without_interrupts([&] { return ::ftruncate(descriptor(), static_cast<off_t>(size)); });
    if (result != 0) return system_error(errno, at("truncate", path_, size));
    return Status::ok();
  }

  Status allocate(uint64_t offset, uint64_t length) override {
    if (length == 0) return Status::ok();
    ROX_ASSIGN_OR_RETURN(const uint64_t old_size, size());
    const int result = without_interrupts([&] {
      return ::fallocate(descriptor(), 0, static_cast<off_t>(offset), static_cast<off_t>(length));
    });
    if (result == 0) return Status::ok();
    const int error_number = errno;
    // Not posix_fallocate: where the file system cannot reserve, it would write every block.
    if (error_number == EOPNOTSUPP) {
      return old_size < offset + length ? truncate(offset + length) : Status::ok();
    }
    // A full disk may have been reached halfway: the file must not keep the half it got.
    const Result<uint64_t> new_size = size();
    if (new_size.is_ok() && *new_size > old_size) ROX_RETURN_IF_ERROR(truncate(old_size));
    return system_error(error_number, at("allocate", path_, offset));
  }

  Status punch_hole(uint64_t offset, uint64_t length) override {
    if (length == 0) return Status::ok();
    const int result = without_interrupts([&] {
      return ::fallocate(descriptor(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         static_cast<off_t>(offset), static_cast<off_t>(length));
    });
    if (result != 0 && errno != EOPNOTSUPP) {
      return system_error(errno, at("punch hole", path_, offset));
    }
    return Status::ok();
  }

  Result<uint64_t> size() const override {
    struct stat status {};
    if (::fstat(descriptor(), &status) != 0) return path_error("stat", path_);
    return static_cast<uint64_t>(status.st_size);
  }

  Result<uint64_t> allocated_bytes() const override {
    struct stat status {};
    if (::fstat(descriptor(), &status) != 0) return path_error("stat", path_);
    return static_cast<uint64_t>(status.st_blocks) * 512;  // st_blocks is in 512 bytes everywhere
  }

  int descriptor() const override { return descriptor_.number(); }
  bool is_direct() const override { return caching_ == Caching::kDirect; }

 private:
  Descriptor descriptor_;
  std::string path_;
  Caching caching_;
};

// flock(2) belongs to the open file description: two locks within one process conflict as well, and
// closing another descriptor of the file does not drop it (as it would with fcntl locks).
class PosixFileLock final : public FileLock {
 public:
  PosixFileLock(Descriptor descriptor, LockMode mode)
      : descriptor_(std::move(descriptor)), mode_(mode) {}
  // The pid goes first, so that nobody who finds the lock taken later reads ours.
  ~PosixFileLock() override {
    if (mode_ == LockMode::kExclusive) static_cast<void>(!::ftruncate(descriptor_.number(), 0));
  }

  // The pid only helps a human: a full disk must not keep a database from opening, so failures are
  // let pass. The old pid is gone first; then a message names none rather than a wrong one.
  void write_pid() {
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::ftruncate(descriptor_.number(), 0) != 0) return;
    static_cast<void>(::pwrite(descriptor_.number(), text.data(), text.size(), 0) > 0);
  }

 private:
  Descriptor descriptor_;
  LockMode mode_;
};

Status locked_error(const Descriptor& descriptor, const std::string& path) {
  char text[kPidTextBytesMax] = {};
  const ssize_t count = ::pread(descriptor.number(), text, sizeof text - 1, 0);
  const long pid = count > 0 ? std::strtol(text, nullptr, 10) : 0;
  const std::string holder = pid > 0 ? "process " + std::to_string(pid) : "another process";
  return Status::locked("database is in use by " + holder + " (lock file " + path + ")");
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    Caching caching = Caching::kPageCache;
    Descriptor descriptor(-1);
    switch (mode) {
      case OpenMode::kRead:
        descriptor = open_descriptor(path, O_RDONLY);
        break;
      case OpenMode::kReadDirect:
      case OpenMode::kReadWriteDirect: {
        const int access = mode == OpenMode::kReadDirect ? O_RDONLY : O_RDWR;
        descriptor = open_descriptor(path, access | O_DIRECT);
        caching = Caching::kDirect;
        if (!descriptor.is_open() && errno == EINVAL) {  // a file system in memory, or over a wire
          descriptor = open_descriptor(path, access);
          caching = Caching::kPageCache;
        }
        break;
      }
      case OpenMode::kReadWrite:
        descriptor = open_descriptor(path, O_RDWR | O_CREAT);
        break;
      case OpenMode::kCreate:
        descriptor = open_descriptor(path, O_RDWR | O_CREAT | O_TRUNC);
        break;
    }
    if (!descriptor.is_open()) return path_error("open", path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(descriptor), path, caching));
  }

  Result<bool> exists(const std::string& path) override {
    const Result<struct stat> status = stat_of(path);
    if (status.is_ok()) return true;
    return absent_or(status.status());
  }

  Result<bool> is_directory(const std::string& path) override {
    const Result<struct stat> status = stat_of(path);
    if (status.is_ok()) return S_ISDIR(status->st_mode);
    return absent_or(status.status());
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entry(path, error);
    while (!error && entry != std::filesystem::directory_iterator()) {
      names.push_back(entry->path().filename().string());
      entry.increment(error);
    }
    if (error) return system_error(error.value(), "list " + path);
    return names;
  }

  Result<uint64_t> file_size(const std::string& path) override {
    ROX_ASSIGN_OR_RETURN(const struct stat status, stat_of(path));
    return static_cast<uint64_t>(status.st_size);
  }

  Result<uint64_t> modified_seconds(const std::string& path) override {
    ROX_ASSIGN_OR_RETURN(const struct stat status, stat_of(path));
    return static_cast<uint64_t>(status.st_mtim.tv_sec);
  }

  Result<uint64_t> free_bytes(const std::string& path) override {
    struct statvfs status {};
    const int result = without_interrupts([&] { return ::statvfs(path.c_str(), &status); });
    if (result != 0) return path_error("stat file system of", path);
    return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  }

  Status remove(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 ? Status::ok() : path_error("remove", path);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return Status::ok();
    return path_error("rename", from + " to " + to);
  }

  Status link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return Status::ok();
    return path_error("link", from + " to " + to);
  }

  Result<bool> clone_file(const std::string& from, const std::string& to) override {
    const Descriptor source = open_descriptor(from, O_RDONLY);
    if (!source.is_open()) return path_error("open", from);
    const Descriptor copy = open_descriptor(to, O_RDWR | O_CREAT | O_EXCL);
    if (!copy.is_open()) return path_error("make", to);
    const int result =
        without_interrupts([&] { return ::ioctl(copy.number(), FICLONE, source.number()); });
    if (result == 0) return true;
    const int error_number = errno;
    ROX_RETURN_IF_ERROR(remove(to));
    // Whatever else keeps blocks from being shared, a copy may still work.
    if (error_number != ENOSPC && error_number != EDQUOT && error_number != EIO) return false;
    return system_error(error_number, "clone " + from + " to " + to);
  }

  Status create_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), kDirectoryPermissions) == 0) return Status::ok();
    Status status = path_error("create directory", path);
    if (status.code() != StatusCode::kAlreadyExists) return status;
    const Result<bool> is_there = is_directory(path);
    return is_there.is_ok() && *is_there ? Status::ok() : status;
  }

  Status remove_directory(const std::string& path) override {
    return ::rmdir(path.c_str()) == 0 ? Status::ok() : path_error("remove directory", path);
  }

  Status sync_directory(const std::string& path) override {
    const Descriptor descriptor = open_descriptor(path, O_RDONLY | O_DIRECTORY);
    if (!descriptor.is_open()) return path_error("open directory", path);
    if (::fsync(descriptor.number()) != 0) return path_error("sync directory", path);
    return Status::ok();
  }

  Result<bool> is_locked(const std::string& path) override {
    const Descriptor descriptor = open_descriptor(path, O_RDONLY);
    if (!descriptor.is_open()) {
      if (errno == ENOENT) return false;
      return path_error("open lock file", path);
    }
    if (flock(descriptor.number(), LOCK_EX | LOCK_NB) == 0) return false;
    if (errno == EWOULDBLOCK) return true;
    return path_error("look at lock file", path);
  }

  void sleep_us(uint64_t microseconds) override {
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path, LockMode mode) override {
    const bool exclusive = mode == LockMode::kExclusive;
    Descriptor descriptor = open_descriptor(path, exclusive ? O_RDWR | O_CREAT : O_RDONLY);
    if (!descriptor.is_open()) return path_error("open lock file", path);
    const int operation = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
    const int result = without_interrupts([&] { return ::flock(descriptor.number(), operation); });
    if (result != 0 && errno == EWOULDBLOCK) return locked_error(descriptor, path);
    if (result != 0) return path_error("lock", path);
    auto lock = std::make_unique<PosixFileLock>(std::move(descriptor), mode);
    if (exclusive) lock->write_pid();
    return std::unique_ptr<FileLock>(std::move(lock));
  }

 private:
  static Result<struct stat> stat_of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) return status;
    // A file where the path needs a directory: nothing is there either.
    if (errno == ENOTDIR) errno = ENOENT;
    return path_error("stat", path);
  }

  static Result<bool> absent_or(const Status& status) {
    if (status.code() == StatusCode::kNotFound) return false;
    return status;
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem file_system;
  return file_system;
}

}  // namespace roxanne::storage
