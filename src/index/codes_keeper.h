// Keeps on disk what a disk graph's searches hold in memory, while the graph changes: a file of
// codes and a log beside it, until that is long; then a file of the next generation.
//
// Nothing of it counts by itself. A checkpoint of the graph's pages names a generation and how many
// bytes of its log belong to it (CheckpointRecord::owner_numbers), so pages and codes change
// together:
//   keeper.save() -> pages.checkpoint({lsn, what save() returned}) -> keeper.adopt()
// What a checkpoint names is never written over, and goes only when another one is durable.
// Keeps D2, D5 and D6.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/codes_log.h"
#include "index/disk_graph.h"
#include "index/disk_paths.h"
#include "roxanne/options.h"
#include "roxanne/status.h"
#include "storage/file_system.h"
#include "storage/page_store.h"

namespace roxanne::index {

struct CodesOpenOptions {
  bool read_only = true;  // writes nothing, ever; else the checkpoint must be durable
  // Whether no other process reads the files; asked at open and by adopt(). Not set: none ever
  // does.
  std::function<bool()> is_unread_elsewhere;
};

// One thread's at a time, but for bytes_on_disk() and bytes_written().
class CodesKeeper {
 public:
  using OwnerNumbers = std::array<uint64_t, storage::kOwnerNumbers>;
  struct Opened;

  // What a checkpoint of the pages names. kCorruption where there can be no such thing.
  struct Named {
    uint32_t generation = 0;
    uint64_t log_bytes = 0;
  };
  static Result<Named> named_by(const storage::CheckpointRecord& checkpoint);

  // The graph as a checkpoint of its pages names it. kCorruption says which file, and where;
  // kUnsupported for a newer version.
  static Result<Opened> open(storage::FileSystem& file_system, const DiskPaths& paths,
                             const CollectionOptions& options,
                             const storage::CheckpointRecord& checkpoint,
                             const CodesOpenOptions& open_options);
  // Of a graph whose file of codes (generation 0) was just written. `file_system` outlives it.
  CodesKeeper(storage::FileSystem& file_system, const DiskPaths& paths, const DiskGraph& graph,
              const WrittenCodes& written, const CodesOpenOptions& open_options);

  // --- What has changed since the last save().
  // Its members, their codes or its cell; its cell is kNoCell where it is free now. New pages need
  // not be noted.
  void note_page(uint32_t page) { pages_.add(page); }
  // It has moved. New ones need not be noted.
  void note_cell(uint32_t cell) { cells_.add(cell); }
  // How many pages there were when it was saved last. A log cannot say that there are fewer now.
  uint32_t saved_page_count() const { return saved_.page_count; }
  // Anything else that a log cannot say.
  void note_all() { is_all_noted_ = true; }
  // While nothing else is to be done: whether the log takes up so much that another file of codes
  // is worth it, and asks the next save() for one.
  bool is_log_long() const;
  void shorten_log() { shortens_log_ = true; }

  // Writes what was noted, synced, beside what the last checkpoint names. Returns what the pages'
  // next checkpoint has to say. Where nothing has changed nothing is written.
  // kDiskFull leaves all as it was, to be tried again. kUnsupported where a number is not finite.
  // After another failure each call is refused with kReadOnly and that reason.
  Result<OwnerNumbers> save(const DiskGraph& graph);
  // The checkpoint that says what the last save() returned is durable. Files that no checkpoint
  // names go; where other processes read, with a later call or the next open.
  void adopt();

  uint64_t bytes_on_disk() const { return bytes_on_disk_; }
  uint64_t bytes_written() const { return bytes_written_; }  // since it was made

 private:
  // Numbers, each once.
  class NumberList {
   public:
    void add(uint32_t number) {
      if (number >= is_in_.size()) is_in_.resize(size_t{number} + 1);
      if (is_in_[number]) return;
      is_in_[number] = true;
      numbers_.push_back(number);
    }
    bool contains(uint32_t number) const { return number < is_in_.size() && is_in_[number]; }
    size_t size() const { return numbers_.size(); }
    std::vector<uint32_t> sorted() const;
    void clear();

   private:
    std::vector<uint32_t> numbers_;
    std::vector<bool> is_in_;
  };
  // What a log or a file of codes says beside cells and pages.
  struct Numbers {
    uint32_t page_count = 0;
    uint32_t cell_count = 0;
    uint32_t group_count = 0;
    uint32_t node_count = 0;
    uint32_t slot_end = 0;
    ListSizes list_sizes;
    EstimateError error;
    static Numbers of(const DiskGraph& graph);
    bool operator==(const Numbers& other) const;
  };
  struct StaleFile {
    std::string path;
    uint64_t bytes = 0;
  };

  Status start_writing();
  Status find_stale_files();
  void remove_stale_files();
  OwnerNumbers owner_numbers() const;
  Status check_writable() const;
  Status fail(Status status);
  void note_new(const DiskGraph& graph);
  bool is_log_full(const DiskGraph& graph) const;
  Status write_codes(const DiskGraph& graph);
  Status append(const DiskGraph& graph);
  Status append_records(const DiskGraph& graph, CodesLogWriter& writer) const;
  std::vector<uint32_t> slots_in(const DiskGraph& graph, std::span<const uint32_t> pages) const;
  Status sync_name();
  void count_bytes(uint64_t written);

  storage::FileSystem& file_system_;
  const DiskPaths paths_;
  const CodesOpenOptions options_;
  Status refusal_;  // why save() is refused, where it is

  uint32_t generation_ = 0;
  uint64_t codes_bytes_ = 0;  // of its file of codes
  CodesLogEnd log_;
  std::unique_ptr<storage::File> log_file_;  // null before something is added
  Numbers saved_;
  std::vector<StaleFile> stale_;  // of other generations; the last checkpoint may still name one

  NumberList pages_;
  NumberList cells_;
  bool is_all_noted_ = false;
  bool shortens_log_ = false;
  uint64_t log_bytes_kept_ = 0;  // of a log for whose end there was no room

  std::atomic<uint64_t> bytes_on_disk_{0};
  std::atomic<uint64_t> bytes_written_{0};
};

struct CodesKeeper::Opened {
  std::unique_ptr<DiskGraph> graph;
  std::unique_ptr<CodesKeeper> keeper;
};

}  // namespace roxanne::index
