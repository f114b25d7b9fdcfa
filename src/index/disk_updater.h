// Changes a disk graph in place: new nodes are linked to their neighbours, dead ones are cut out
// and those that led to them are mended, page by page, while searches go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/thread_pool.h"
#include "index/disk_index.h"
#include "index/graph_editor.h"
#include "roxanne/status.h"

namespace roxanne::index {

struct DiskChanges {
  std::span<const NewNode> added;     // slots that the index does not hold, each once
  std::span<const uint32_t> removed;  // slots; those that the index does not hold are passed over
};

inline constexpr uint64_t kUpdateBytesLeast = 2u << 20;
inline constexpr uint64_t kUpdateBytesWanted = 64u << 20;

struct DiskUpdateOptions {
  // How many threads may work now, the caller's included, asked again and again; not set: one.
  std::function<size_t()> thread_count;
  // Whether apply() shall leave what it has not done yet, asked again and again; not set: never.
  std::function<bool()> hands_over;
  // For pages under way and what is made of them; 0 = as it likes. Less than kUpdateBytesLeast
  // counts as that.
  uint64_t memory_bytes = 0;
  // Of the search for a new node's neighbours, as in DiskSearchOptions.
  size_t search_k = 32;
  size_t search_list_size = 64;
  // Memory for a second set of codes and what they are trained on, held until what is returned
  // goes; null where there is none. Not set: there always is.
  std::function<std::shared_ptr<void>(uint64_t bytes)> take_memory;
};

// Since the updater was made.
struct DiskUpdateStats {
  uint64_t added = 0;
  uint64_t removed = 0;
  uint64_t reads = 0;       // pages read from disk
  uint64_t cache_hits = 0;  // pages that were in memory
  uint64_t pages_written = 0;
  uint64_t bytes_written = 0;  // pages, page maps and codes
  uint64_t distance_computations = 0;
  uint64_t checkpoints = 0;
  uint64_t cells_packed = 0;
};

class DiskUpdater {
 public:
  // Both outlive it. One updater an index.
  DiskUpdater(DiskIndex& index, base::ThreadPool& pool, const DiskUpdateOptions& options);
  ~DiskUpdater();

  // Of nodes that wait, up to `count` that go near each other, by their place in `added`: put in
  // together they share what is read and written. Call after call all have their turn.
  std::vector<uint32_t> choose(std::span<const NewNode> added, size_t count);
  // One call at a time, of either. Searches go on meanwhile, and find each node as it was before or
  // is after. Takes changes in the order, and in pieces, that suit it: after an error (kIoError,
  // kCorruption, kDiskFull), or where the rest is left, index.slots() tells which are in; what is
  // there can be searched.
  Status apply(const DiskChanges& changes);
  // Makes all that was applied durable and gives space back. After a failed sync, or a write that
  // failed for another reason than a full disk, both calls are refused with kReadOnly.
  Status checkpoint(uint64_t log_sequence_number);
  // Whether there is something to do beside changes: codes to be made anew, where the graph has
  // outgrown them. apply() does some of it too.
  bool has_work() const;
  // Some tens of milliseconds of it, seconds at its beginning and end. One call at a time, as
  // above.
  Status work_some();
  // For when changes have come to rest: some milliseconds of making a graph smaller that lost many
  // pages, by moving others. Checkpoints in between free the places of what has moved. Returns
  // whether there was anything to do.
  Result<bool> pack_some();
  // For the same moment: whether the log beside the codes is so long that the next checkpoint
  // writes them anew.
  bool shorten_log();
  // Of disk space, however little it is, for the same moment. After a checkpoint.
  Status give_idle_space_back();
  // Whether so much was written since the last one that another pays.
  bool is_checkpoint_due() const;

  DiskUpdateStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace roxanne::index
