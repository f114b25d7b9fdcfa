// The bytes of one simulated file: what is on disk, and what was changed since the last sync.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/power_cut.h"

namespace roxanne::storage {

// Not safe for use from several threads: SimulatedFileSystem's mutex guards it.
class SimulatedContent {
 public:
  static constexpr uint64_t kSectorBytes = 512;  // what a disk writes whole or not at all
  static constexpr uint64_t kPageBytes = 4096;   // what disk space is counted in

  uint64_t size() const { return current_.size(); }
  size_t read(uint64_t offset, std::span<std::byte> out) const;
  uint64_t allocated_bytes() const;
  // Bytes of disk that a write or allocate() of this range would take.
  uint64_t missing_bytes(uint64_t offset, uint64_t length) const;

  void write(uint64_t offset, std::span<const std::byte> bytes);
  // Some sectors of the write happen, others not.
  void write_torn(uint64_t offset, std::span<const std::byte> bytes, SimulatedRandom& random);
  void truncate(uint64_t size);
  void allocate(uint64_t offset, uint64_t length);
  void punch_hole(uint64_t offset, uint64_t length);

  // Makes every change durable, except for those of an earlier failed sync.
  void sync();
  // As Linux treats a failed fsync: the changes so far stay readable but are taken for written, so
  // no later sync() makes them durable. A later write of the same bytes does.
  void fail_sync();
  // Reduces the file to what survived; see PowerCutPolicy. With kRandom the size may be anything
  // between the durable one and the end of the last sector that was kept; bytes in between that
  // were never written are zeros.
  void power_cut(PowerCutPolicy policy, SimulatedRandom& random);

  // Flips bits on the disk and in what is read. `offset` lies within the file.
  void flip(uint64_t offset, std::byte mask);

 private:
  enum class Kind : uint8_t { kWrite, kTruncate, kGrow };
  enum class Fate : uint8_t { kUnsynced, kSyncFailed, kSynced };
  struct Change {
    Kind kind = Kind::kWrite;
    Fate fate = Fate::kUnsynced;
    uint64_t offset = 0;           // kWrite
    uint64_t size = 0;             // kTruncate, kGrow: of the file
    std::vector<std::byte> bytes;  // kWrite
  };
  struct Survivor {
    std::vector<std::byte> bytes;
    uint64_t certain_size = 0;  // what the file has at least
  };

  static void apply(const Change& change, std::vector<std::byte>& content);
  static void keep_certainly(const Change& change, Survivor& survivor);
  static void keep_by_chance(const Change& change, SimulatedRandom& random, Survivor& survivor);
  template <typename Visit>
  static void for_each_sector(uint64_t offset, std::span<const std::byte> bytes, Visit visit);
  void change(Change change);
  void mark_pages(uint64_t offset, uint64_t length, bool allocated);

  std::vector<std::byte> durable_;
  // In order of issue, on top of durable_. A synced change stays here while one before it is not.
  std::vector<Change> changes_;
  std::vector<std::byte> current_;  // durable_ with all changes_: what is read
  std::vector<bool> pages_;         // which ones take up disk
};

}  // namespace roxanne::storage
