// Builds a disk index of rows that need not fit memory: groups, cells and pages first, then edges
// shard by shard, then the page file and the codes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/thread_pool.h"
#include "graph/adjacency.h"
#include "index/disk_index.h"
#include "index/disk_tuning.h"
#include "index/resident_index.h"
#include "index/row_source.h"
#include "roxanne/options.h"
#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::index {

struct DiskBuildOptions {
  uint64_t memory_bytes = 0;   // that the build may take; 0 = what it wants
  uint64_t serving_bytes = 0;  // that the index may take when it serves; 0 = what it wants
  std::string scratch_prefix;  // of paths of files that are gone when the build ends
  size_t thread_count = 1;
  uint64_t seed = 1;
  accel::GraphBuilder* builder = nullptr;  // of the edges; null = the processor
  // Edges that are known already: node i is the source's row i. Null = they are found.
  const graph::Adjacency* adjacency = nullptr;
  DiskTuning tuning;
  // See DiskOpenOptions: the index that a build returns can be changed.
  std::function<bool()> is_unread_elsewhere;
  // Phases "sample", "group", "sort", "link", "encode", "calibrate". As in BuildOptions.
  std::function<bool(const BuildProgress&)> progress;
};

// Writes both files, synced (their names are the caller's to make durable), and opens them.
// kCancelled, kDiskFull, kIoError, kInvalidArgument (memory too small: says how much is needed),
// kUnsupported (vectors near the end of what floats hold).
// Removes what it wrote where it fails. The same bytes for the same rows, seed and memory_bytes,
// whatever the thread count, on the same kind of machine.
Result<std::unique_ptr<DiskIndex>> build_disk_index(storage::FileSystem& file_system,
                                                    const DiskPaths& paths,
                                                    const CollectionOptions& collection,
                                                    const RowSource& rows, base::ThreadPool& pool,
                                                    const DiskBuildOptions& options);

}  // namespace roxanne::index
