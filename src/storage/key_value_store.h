// The small things, and the single commit point: RocksDB behind a narrow door.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace rocksdb {
class DB;
class Env;
class Iterator;
class Snapshot;
class WriteBatch;
}  // namespace rocksdb

namespace roxanne::storage {

class FileCopier;

// Changes that take effect together.
class WriteBatch {
 public:
  WriteBatch();
  WriteBatch(WriteBatch&&) noexcept;
  WriteBatch& operator=(WriteBatch&&) noexcept;
  ~WriteBatch();

  void put(std::string_view key, std::string_view value);
  void erase(std::string_view key);
  void erase_range(std::string_view begin, std::string_view end);  // [begin, end)
  size_t bytes() const;

 private:
  friend class KeyValueStore;
  std::unique_ptr<rocksdb::WriteBatch> batch_;
};

// All calls may run at once, close() excepted.
class KeyValueStore : public std::enable_shared_from_this<KeyValueStore> {
 public:
  struct Options {
    bool create_if_missing = false;
    bool read_only = false;             // opens the state of now; writes no byte
    uint64_t memory_bytes = 32u << 20;  // caches and write buffers
  };

  static Result<std::shared_ptr<KeyValueStore>> open(FileSystem& file_system,
                                                     const std::string& path,
                                                     const Options& options);
  ~KeyValueStore();

  // The state at one moment, kept readable until the last owner lets go.
  class Snapshot {
   public:
    explicit Snapshot(std::shared_ptr<KeyValueStore> store);
    ~Snapshot();
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

   private:
    friend class KeyValueStore;
    std::shared_ptr<KeyValueStore> store_;  // the store outlives its snapshots
    const rocksdb::Snapshot* snapshot_;
  };

  // A walk over keys in order. Not for use by two threads at once.
  class Cursor {
   public:
    Cursor(std::unique_ptr<rocksdb::Iterator> iterator, std::string prefix);
    Cursor(Cursor&&) noexcept;
    ~Cursor();
    bool valid() const;  // false past the prefix's last key, or on an error: see status()
    void next();
    std::string_view key() const;
    std::string_view value() const;
    Status status() const;

   private:
    std::unique_ptr<rocksdb::Iterator> iterator_;
    std::string prefix_;
  };

  // The files that hold the state of one moment. They stay while it is held, and take up space.
  class HeldFiles {
   public:
    ~HeldFiles();
    HeldFiles(const HeldFiles&) = delete;
    HeldFiles& operator=(const HeldFiles&) = delete;
    uint64_t bytes() const;
    // Puts them into a folder that is there and empty: a store of that state, no matter what is
    // written meanwhile. Synced on return, their names after sync_directory.
    Status copy_to(const std::string& folder, FileCopier& copier) const;

   private:
    friend class KeyValueStore;
    struct HeldFile {
      std::string name;
      std::string folder;
      uint64_t bytes = 0;     // the file may go on from there
      bool is_final = false;  // nobody changes it
      std::string contents;   // instead of the file's, where there are any
    };
    explicit HeldFiles(std::shared_ptr<KeyValueStore> store) : store_(std::move(store)) {}
    std::shared_ptr<KeyValueStore> store_;  // the store outlives it
    std::vector<HeldFile> files_;
  };

  Result<std::optional<std::string>> get(std::string_view key,
                                         const Snapshot* snapshot = nullptr) const;
  // One answer a key, in their order.
  Result<std::vector<std::optional<std::string>>> get_many(
      const std::vector<std::string>& keys, const Snapshot* snapshot = nullptr) const;
  // Keys that begin with `prefix`, from the first one at or after `start` (empty: from the first).
  Cursor scan(std::string_view prefix, std::string_view start = {},
              const Snapshot* snapshot = nullptr) const;
  // The last key that begins with `prefix`.
  Result<std::optional<std::string>> last_key(std::string_view prefix) const;

  // Atomic. With `sync`, durable on return. After a failure the store takes no more writes.
  Status write(WriteBatch& batch, bool sync);
  // Makes every earlier write durable.
  Status sync_log();
  // Of this moment; while no write is under way. Not of a store that was opened read-only: it has
  // no say in which files stay.
  Result<std::unique_ptr<HeldFiles>> hold_files();
  // Makes a new store in a folder that is there and empty, with all that a snapshot has, and
  // `changes` made to that: for those that cannot hold files. Synced on return, names as well.
  Status copy_contents(const Snapshot& snapshot, const WriteBatch& changes,
                       const std::string& folder, FileCopier& copier) const;
  // Moves buffered writes into sorted files, so that the next open replays nothing.
  Status flush();
  // Reads every block of every file and checks it.
  Status verify_checksums();
  // Bytes of writes that only the log holds: what flush() would write.
  uint64_t buffered_bytes() const;
  // Block cache, write buffers and what open files keep in memory.
  uint64_t bytes_in_memory() const;
  // Why work in the background failed, the first time it did. RocksDB may have got over it, but
  // what its files hold on disk is then not known for sure: flush() alone does not tell.
  Status background_failure() const;
  Status close();

 private:
  class FailureListener;
  KeyValueStore();
  std::unique_ptr<rocksdb::Env> env_;
  std::shared_ptr<FailureListener> failures_;  // shared with RocksDB
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace roxanne::storage
