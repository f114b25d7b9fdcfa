// A file system in memory that loses power and returns errors on demand, for tests.
//
// What it holds a program to, as a journaling file system on Linux does at its worst:
//  - File::sync() makes the file's bytes and size durable, not its name.
//  - sync_directory() makes the names in a directory durable, not the bytes behind them.
//  - A power cut may keep any of the unsynced writes, in any order, torn at sectors of 512 bytes.
//  - After a failed sync nothing that was written before it is ever made durable by a later one.
//  - Reads and writes of a file open with kReadDirect or kReadWriteDirect must be aligned.
//  - Nothing lasts that is not synced: a database's own directory needs a sync of its parent.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "storage/file_system.h"
#include "storage/power_cut.h"
#include "storage/simulated_content.h"
#include "storage/simulated_tree.h"

namespace roxanne::storage {

// What a fault can hit. All but kOpen and kRead change something and are counted.
enum class Operation : uint8_t {
  kOpen,  // without making or emptying the file
  kRead,
  kCreate,  // open() that makes or empties a file; lock() that makes one
  kWrite,
  kSync,
  kTruncate,
  kAllocate,
  kPunchHole,
  kRemove,
  kRename,
  kLink,
  kClone,
  kCreateDirectory,
  kRemoveDirectory,
  kSyncDirectory,
};

struct Fault {
  Operation operation = Operation::kWrite;
  uint64_t occurrence = 1;  // which such operation from now on fails; 1 is the next
  StatusCode code = StatusCode::kIoError;
  bool sticky = false;        // all later ones fail too
  std::string path_contains;  // only operations on such paths count; empty: all
};

// All calls may run at once. Files and locks must not outlive it.
class SimulatedFileSystem final : public FileSystem {
 public:
  // `seed` decides what becomes of the operation that a power cut interrupts.
  explicit SimulatedFileSystem(uint64_t seed = 1);
  ~SimulatedFileSystem() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<bool> exists(const std::string& path) override;
  Result<bool> is_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<uint64_t> file_size(const std::string& path) override;
  Result<uint64_t> modified_seconds(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;
  Status remove(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link(const std::string& from, const std::string& to) override;
  Result<bool> clone_file(const std::string& from, const std::string& to) override;
  Status create_directory(const std::string& path) override;
  Status remove_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, LockMode mode) override;
  Result<bool> is_locked(const std::string& path) override;
  void sleep_us(uint64_t) override {}

  // Calls so far that change something, failed ones included.
  uint64_t operation_count() const;
  // The n-th changing operation from now (1: the next) and every call after it, reads included,
  // fail with "simulated power cut". Of the n-th itself any part may have happened: some sectors of
  // a write, any other one whole or not at all. 0: no power cut is due.
  void set_crash_at(uint64_t n);
  bool has_crashed() const;
  // Power is back: reduces everything to what survived. Files and locks from before are dead: their
  // calls fail. A power cut that was due no longer is; faults and the capacity stay.
  void power_cycle(uint64_t seed, PowerCutPolicy policy);

  void inject(Fault fault);
  void clear_faults();
  // Writes that need more disk than this fail with kDiskFull, changing nothing.
  void set_capacity_bytes(uint64_t capacity);
  // Whether clone_file() works; not at first. What is shared takes space twice here.
  void set_can_clone(bool can_clone);

  // All that was done so far, unsynced changes and a power cut included; no locks and no faults.
  std::unique_ptr<SimulatedFileSystem> clone() const;

  struct FileInfo {
    std::string path;
    uint64_t size = 0;
  };
  std::vector<FileInfo> files() const;  // in order of path
  // These two work after a power cut too and are not counted.
  Result<std::string> read_file(const std::string& path) const;
  Status flip_byte(const std::string& path, uint64_t offset, std::byte mask);

 private:
  friend class SimulatedFile;
  friend class SimulatedFileLock;

  struct Inode {
    SimulatedContent content;
    uint64_t modified_seconds = 0;
  };
  struct Holders {
    uint64_t shared = 0;
    bool exclusive = false;
  };
  struct ArmedFault {
    Fault fault;
    uint64_t remaining = 0;  // matching operations until it strikes
  };
  // Whether an operation may happen.
  enum class Verdict : uint8_t { kProceed, kFail, kCutShort };
  struct Admission {
    Verdict verdict = Verdict::kProceed;
    Status status;
  };

  static const char* name_of(Operation operation);
  // All of these need mutex_.
  Admission admit(Operation operation, const std::string& path);
  Status strike(Operation operation, const std::string& path);
  // For changes that happen whole or not at all.
  template <typename Apply>
  Status change(Operation operation, const std::string& path, Apply apply);
  Status check_power(const std::string& doing) const;
  Status check_space(const SimulatedContent& content, uint64_t offset, uint64_t length,
                     const std::string& doing) const;
  uint64_t used_bytes() const;
  uint64_t now_seconds() const;
  Result<InodeId> find_file(const std::string& path) const;
  Status make_file(const std::string& path);
  Status check_rename(const std::string& from, const std::string& to) const;

  mutable std::mutex mutex_;  // guards all below
  SimulatedTree tree_;
  std::map<InodeId, Inode> inodes_;  // of files
  std::map<InodeId, Holders> locks_;
  std::vector<ArmedFault> faults_;
  SimulatedRandom random_;
  uint64_t capacity_bytes_;
  bool can_clone_ = false;
  uint64_t operation_count_ = 0;
  uint64_t operations_until_crash_ = 0;  // 0: none is due
  uint64_t power_cycles_ = 0;            // handles of an earlier one are dead
  bool has_crashed_ = false;
};

template <typename Apply>
Status SimulatedFileSystem::change(Operation operation, const std::string& path, Apply apply) {
  Admission admission = admit(operation, path);
  if (admission.verdict == Verdict::kProceed) {
    const Status status = apply();
    return status.with_context(std::string(name_of(operation)) + " " + path);
  }
  // What it would have returned died with the power.
  if (admission.verdict == Verdict::kCutShort && random_.coin()) static_cast<void>(apply());
  return std::move(admission.status);
}

}  // namespace roxanne::storage
