// The only door to files: the engine, RocksDB included, reads and writes through a FileSystem.
//
// Two implementations: the operating system's (posix_file_system.cc), and a simulated one
// (simulated_file_system.h) that loses power and returns errors on demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "roxanne/status.h"

namespace roxanne::storage {

enum class OpenMode : uint8_t {
  kRead,        // must exist
  kReadDirect,  // must exist; past the page cache where the file system can: offsets, sizes and
                // addresses in multiples of 4096. Falls back to kRead where it cannot.
  kReadWriteDirect,  // must exist; as kReadDirect, and writes too
  kReadWrite,        // made if missing
  kCreate,           // made, or emptied
};

// An open file. read() may run from many threads at once, and at once with writes elsewhere in the
// file; sync() at once with both, for the writes that returned before it was called; the other
// calls from one thread at a time. The destructor closes and never syncs.
class File {
 public:
  virtual ~File() = default;

  // Fills `out` from `offset`; returns the bytes read, fewer than asked for only at the file's end.
  virtual Result<size_t> read(uint64_t offset, std::span<std::byte> out) const = 0;
  // Writes all of `bytes` at `offset`, growing the file. May be lost until sync().
  virtual Status write(uint64_t offset, std::span<const std::byte> bytes) = 0;
  // On return every earlier write and the size are on disk (not the file's name: see
  // FileSystem::sync_directory). After a failure nothing is known: never retry.
  virtual Status sync() = 0;
  virtual Status truncate(uint64_t size) = 0;
  // Reserves disk space for a range, growing the file with zeros where it ends before it;
  // kDiskFull where there is none. A file system that cannot reserve only grows the file.
  virtual Status allocate(uint64_t offset, uint64_t length) = 0;
  // Gives the space of a page-aligned range back; it reads as zeros. Optional: may do nothing.
  virtual Status punch_hole(uint64_t offset, uint64_t length) = 0;
  virtual Result<uint64_t> size() const = 0;
  // Bytes of disk the file takes up (not its length).
  virtual Result<uint64_t> allocated_bytes() const = 0;
  // The descriptor for io_uring; -1 where there is none.
  virtual int descriptor() const { return -1; }
  // Whether reads and writes go past the page cache.
  virtual bool is_direct() const { return false; }
};

enum class LockMode : uint8_t { kShared, kExclusive };

// Held until destroyed; the system drops it when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Paths are the system's. All calls may run at once from many threads. Errors: kNotFound (ENOENT),
// kAlreadyExists (EEXIST), kDiskFull (ENOSPC, EDQUOT), kReadOnly (EROFS, EACCES, EPERM), else
// kIoError; the message says what was tried, on which path, and the system's word for it.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<bool> is_directory(const std::string& path) = 0;
  // Names (no paths, no "." and "..") in a directory, in no order.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  virtual Result<uint64_t> file_size(const std::string& path) = 0;
  virtual Result<uint64_t> modified_seconds(const std::string& path) = 0;  // since 1970
  // Free bytes that an ordinary user may take on the file system that holds `path`.
  virtual Result<uint64_t> free_bytes(const std::string& path) = 0;

  // Changes of names are durable once sync_directory() of the parent returned.
  virtual Status remove(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status link(const std::string& from, const std::string& to) = 0;
  // Makes `to`, which must not be there, a file with the bytes that `from` has at this moment, in
  // blocks that both share until one of them is written to. False where the file system cannot:
  // nothing was made then.
  virtual Result<bool> clone_file(const std::string& from, const std::string& to) = 0;
  virtual Status create_directory(const std::string& path) = 0;  // fine where it is there already
  virtual Status remove_directory(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;

  // Takes an advisory lock without waiting. kLocked where another holds a conflicting one. The file
  // is made if missing; with LockMode::kShared it is opened for reading only, nothing is made or
  // written, and kNotFound is returned where it is missing. An exclusive holder's pid is written to
  // the file, and a kLocked message carries the pid found there.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path, LockMode mode) = 0;

  // Whether somebody holds a lock on the file now; false where there is no such file. Takes the
  // lock for a moment, so that one who comes just then is told kLocked and has to try again.
  virtual Result<bool> is_locked(const std::string& path) = 0;

  // Lets time pass before something is tried again. A simulated file system does not wait.
  virtual void sleep_us(uint64_t microseconds) = 0;
};

FileSystem& posix_file_system();

}  // namespace roxanne::storage
