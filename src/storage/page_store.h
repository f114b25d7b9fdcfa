// A file of numbered pages that are replaced by writing copies: readers hold snapshots, and after a
// power cut the file is as its last checkpoint left it.
//
// Logical pages are what the owner counts; physical pages are places in the file; the page map
// leads from one to the other (page_format.h has the bytes). write() puts new copies into free
// places and publishes a map that names them; checkpoint() makes that map durable. A place is free
// again only when (a) a durable checkpoint no longer names it, (b) no snapshot that names it is
// held, and (c) no other process reads the file, or it was never named by a checkpoint.
// Keeps D2, D5 and D6.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "roxanne/status.h"
#include "storage/file_system.h"
#include "storage/free_pages.h"
#include "storage/page_format.h"
#include "storage/page_map.h"

namespace roxanne::storage {

struct PageStoreOptions {
  uint32_t page_bytes = base::kPageBytes;  // create() only: a multiple of 4096, up to 16 times
  bool read_only = false;                  // open() only: writes nothing, ever
  // Whether no other process reads the file; asked at open and after each checkpoint. Not set: none
  // ever does.
  std::function<bool()> is_unread_elsewhere;
};

// A page to write.
struct PageImage {
  uint32_t logical_page = 0;  // below kLogicalPagesMax
  uint64_t log_sequence_number = 0;
  uint64_t record_bitmap = 0;
  // page_bytes of them; the first kPageHeaderBytes are filled in by write(). Images whose bytes
  // follow each other in memory, from a multiple of 4096, are written without being copied.
  std::byte* bytes = nullptr;
};

// What the owner keeps with a checkpoint.
struct CheckpointRecord {
  uint64_t log_sequence_number = 0;  // up to where the pages hold what its log says
  std::array<uint64_t, kOwnerNumbers> owner_numbers{};
  bool operator==(const CheckpointRecord&) const = default;
};

struct PageStoreStats {
  uint64_t checkpoint_number = 0;  // of the last durable one
  uint64_t pages_written = 0;      // the owner's, since the store was opened
  uint64_t bytes_written = 0;      // all, maps and headers included, since then
  uint64_t used_pages = 0;         // logical pages that there are
  uint64_t file_pages = 0;         // physical pages, free ones included
  uint64_t free_pages = 0;         // that may be written
  uint64_t retired_pages = 0;      // replaced or removed, but not yet free
  uint64_t memory_bytes = 0;       // of the newest map and of what is known of free pages
};

// snapshot(), the reads, check() and stats() may run from any number of threads, at once with each
// other and with one writing call, and wait for no writer's input or output; check() alone waits
// for the writing call that runs. Writing calls take turns.
class PageStore {
 public:
  // Makes the file with an empty first checkpoint, synced; empties the one that is there. The name
  // is durable after sync_directory.
  static Result<std::unique_ptr<PageStore>> create(FileSystem& file_system, const std::string& path,
                                                   const PageStoreOptions& options);
  // The file as its last durable checkpoint left it. kCorruption where it is missing, cut short or
  // damaged in what is read here: header, directory and map.
  static Result<std::unique_ptr<PageStore>> open(FileSystem& file_system, const std::string& path,
                                                 const PageStoreOptions& options);
  PageStore(const PageStore&) = delete;
  PageStore& operator=(const PageStore&) = delete;
  // Writes nothing: what no checkpoint covers is lost.
  ~PageStore();

  uint32_t page_bytes() const { return page_bytes_; }
  const std::string& path() const { return path_; }

  // --- Reading.
  // The newest version. Pages keep their places and bytes while it is held.
  PageSnapshot snapshot() const;
  // Where a page lies in direct_file(); 0 where there is no such page.
  uint64_t offset_of(const PageMap& snapshot, uint32_t logical_page) const {
    return uint64_t{snapshot.physical_page(logical_page)} * page_bytes_;
  }
  // Past the page cache: aligned reads of page_bytes.
  const File& direct_file() const { return *file_; }
  // Whether bytes that anybody read are this page's: one pass over them. kCorruption names file,
  // page and what is wrong.
  Status check_page(uint32_t logical_page, std::span<const std::byte> bytes) const;
  // Fills `out` (page_bytes, aligned to 4096), checked. kNotFound where there is no such page.
  Status read_page(const PageMap& snapshot, uint32_t logical_page, std::span<std::byte> out) const;

  // --- Writing. After a failed sync, or a write that failed for another reason than a full disk,
  // each call is refused with kReadOnly and that reason. kDiskFull leaves all as it was.
  // Adds or replaces pages, in ascending order of logical page: all of them or none. Runs of pages
  // go to runs of places as far as free places allow.
  Status write(std::span<const PageImage> pages);
  // Ascending; those that are not there are passed over.
  Status remove(std::span<const uint32_t> logical_pages);
  // On return all that was written before is durable, and places that this frees are given back:
  // the file's end is cut, holes are punched where much is free.
  Status checkpoint(const CheckpointRecord& record);
  // What the last durable checkpoint was given.
  CheckpointRecord last_checkpoint() const;

  // Reads and checks everything: both copies of the header, directory, leaves, every page; that no
  // place is named twice, or is free and named. Tells all damage, returns how much there was.
  uint64_t check(const std::function<void(const Status&)>& on_damage) const;

  PageStoreStats stats() const;
  Result<uint64_t> file_bytes() const { return file_->size(); }
  Result<uint64_t> bytes_on_disk() const { return file_->allocated_bytes(); }

 private:
};

}  // namespace roxanne::storage
