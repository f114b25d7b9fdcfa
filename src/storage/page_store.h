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
#include "storage/page_map_file.h"
#include "storage/scattered_writer.h"

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

// snapshot(), the reads of pages, check() and stats() may run from any number of threads, at once
// with each other and with one writing call, and wait for no writer's input or output; check()
// alone waits for the writing call that runs. Writing calls take turns.
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
  // go to runs of places as far as free places allow. `before_seen` hears where they are when they
  // are written, before any snapshot names them.
  using BeforeSeen = std::function<void(const PageMap& next)>;
  Status write(std::span<const PageImage> pages, const BeforeSeen& before_seen = {});
  // Ascending; those that are not there are passed over.
  Status remove(std::span<const uint32_t> logical_pages);
  // On return all that was written before is durable, and places that this frees are given back:
  // the file's end is cut, holes are punched where much is free.
  Status checkpoint(const CheckpointRecord& record);
  // Gives back all that is free, however little: for when writes have come to rest, since writing
  // there again costs more. Takes long where there are many holes.
  Status give_idle_space_back();
  // What the last durable checkpoint was given.
  CheckpointRecord last_checkpoint() const;

  // Reads and checks everything: both copies of the header, directory, leaves, every page; that no
  // place is named twice, or is free and named. Tells all damage, returns how much there was.
  uint64_t check(const std::function<void(const Status&)>& on_damage) const;

  PageStoreStats stats() const;
  Result<uint64_t> file_bytes() const { return file_->size(); }
  Result<uint64_t> bytes_on_disk() const { return file_->allocated_bytes(); }

 private:
  // A place that no longer holds what the newest map names.
  struct Retired {
    uint32_t physical_page = kNoPage;
    uint64_t version = 0;  // the first that does not name it
  };
  // A checkpoint under way: nothing of it counts until its header is durable.
  struct NextCheckpoint {
    PageSnapshot map;
    MapPlaces places;
    std::vector<uint32_t> leaves;  // that are written, ascending
    std::vector<PageRun> runs;     // where they go
    PageFileHeader header{};
    bool uses_set_aside = false;
  };

  PageStore(std::string path, const PageStoreOptions& options);
  Status start_writing(uint64_t file_bytes, const PageBits& used);
  Status write_header_copies(const PageFileHeader& header);

  // All of these need write_mutex_.
  Status check_writable() const;
  Status fail(Status status);
  Status write_bytes(uint64_t offset, std::span<const std::byte> bytes);
  Result<std::vector<PageRun>> take_places(uint32_t count);
  Result<std::vector<PageRun>> choose_places(uint32_t count);
  Result<PageRun> take_one_run(uint32_t count);
  Status set_map_places_aside(uint32_t leaf_count);
  Status grow(uint32_t missing);
  Status reserve(std::span<const PageRun> runs);
  void give_back(std::span<const PageRun> runs);
  void seal(std::span<const PageImage> pages);
  Status write_run(std::span<const PageImage> pages, uint32_t physical_page);
  Status write_runs(std::span<const PageImage> pages, std::span<const PageRun> runs);
  void publish(PageMapEditor& editor, const BeforeSeen& before_seen = {});
  void retire(uint32_t physical_page, uint64_t version);
  void reclaim();

  // Steps of a checkpoint, in page_store_checkpoint.cc.
  Result<NextCheckpoint> prepare_checkpoint(const CheckpointRecord& record);
  Status take_map_places(NextCheckpoint& next);
  Status use_set_aside(NextCheckpoint& next);
  uint32_t named_end(const NextCheckpoint& next) const;
  Status write_leaves(const NextCheckpoint& next);
  Status write_directory(const NextCheckpoint& next);
  Status write_and_sync(const NextCheckpoint& next);
  void adopt(NextCheckpoint next);
  Status give_space_back();
  void publish_stats();
  Status cut_tail(uint32_t spare_pages);
  Status punch_holes();
  void move_leaves_down();

  // Parts of check(), in page_store_check.cc.
  using Report = std::function<void(const Status&)>;
  void check_map_file(const Report& report) const;
  void check_places(const PageMap& map, const Report& report) const;
  void check_pages(const PageMap& map, const Report& report) const;

  const std::string path_;
  uint32_t page_bytes_;
  const bool read_only_;
  const std::function<bool()> is_unread_elsewhere_;
  const std::shared_ptr<LiveVersions> live_versions_;  // shared with the maps
  std::unique_ptr<File> file_;

  mutable std::mutex publish_mutex_;  // guards the next three; held for moments only
  PageSnapshot newest_;
  PageFileHeader durable_{};  // of the last checkpoint
  PageStoreStats stats_;

  mutable std::mutex write_mutex_;  // guards all below; held by the writing call that runs
  Status refusal_;                  // why writes are refused, where they are
  FreePages free_;
  MapPlaces places_;                    // of the last durable checkpoint
  PageBits dirty_leaves_;               // that differ from it
  PageBits fresh_;                      // physical pages taken since then: it does not name them
  std::vector<Retired> retired_fresh_;  // wait for snapshots
  std::vector<Retired> retired_named_;  // wait for a checkpoint and other processes, then snapshots
  uint64_t reclaimed_version_ = 0;      // the oldest one held when retired_fresh_ was last searched
  PageRun set_aside_;  // for the map of a checkpoint on a full disk: what it frees needs it first
  uint32_t punch_cursor_ = 0;    // where the next search for holes to punch begins
  base::AlignedBuffer staging_;  // for pages that do not follow each other in memory
  ScatteredWriter scattered_writer_;
};

}  // namespace roxanne::storage
