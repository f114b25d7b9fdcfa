// A graph over a collection's vectors, searched in memory: built once, never changed, opened from
// its file without rebuilding.
//
// A node's record holds all that one step of a search reads: its vector and slot, the ids of its
// neighbours and, beside them, short codes of where they lie as seen from the node, so that one run
// of memory gives the exact distance of the node and estimates for all its neighbours.
// (SymphonyQG, arXiv 2411.12229; RaBitQ, arXiv 2405.12497.) Bytes: docs/file_format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "base/thread_pool.h"
#include "index/exact_scan.h"
#include "index/live_set.h"
#include "roxanne/options.h"
#include "roxanne/status.h"
#include "roxanne/types.h"
#include "storage/file_system.h"

namespace roxanne::accel {
class GraphBuilder;
}
namespace roxanne::graph {
class Adjacency;
}

namespace roxanne::index {

// What a graph is built over. Node i is the row i; all views outlive the call.
struct BuildInput {
  MatrixView rows;                  // finite; none zero under cosine
  std::span<const uint32_t> slots;  // one a row, ascending
  std::span<const uint64_t> tags;   // one a row: its key, say; handed back with the answers
  Metric metric = Metric::kL2;
};

struct BuildProgress {
  const char* phase = "";  // "partition", "prune", "encode", "write", "calibrate"
  double fraction = 0;     // of the whole build, in [0, 1], never falling
};

struct BuildOptions {
  uint64_t memory_bytes = 0;    // that the build may take beside its input; 0 = what it wants
  std::string scratch_prefix;   // path prefix of files that hold what does not fit; removed again
  uint64_t resident_bytes = 0;  // that the index may take when it serves; 0 = what it wants
  size_t thread_count = 1;
  uint64_t seed = 1;
  accel::GraphBuilder* builder = nullptr;  // of the edges; null = the processor
  // Called from one thread at a time; false = cancel the build (kCancelled). May be empty.
  std::function<bool(const BuildProgress&)> progress;
  // Fills in the edges where they are known already: node i is row i. Empty: they are found.
  std::function<Status(graph::Adjacency&)> edges;
  // Called when the edges are found, before anything else is made of them: for who makes another
  // form of the same graph. Its failure is the build's. May be empty.
  std::function<Status(const graph::Adjacency&)> linked;
  // Asked after linked(): false = no file is written, the index lives in memory alone. Empty: it is
  // written.
  std::function<bool()> keeps_file;
};

// How many bytes an index of so many rows takes at the most, and with the shortest codes.
struct ResidentBytes {
  uint64_t wanted;
  uint64_t least;
};
ResidentBytes resident_bytes(const CollectionOptions& options, uint64_t row_count);
// The least memory_bytes that a build of so many rows goes on with.
uint64_t build_bytes_least(const CollectionOptions& options, uint64_t row_count);

struct GraphSearchStats {
  uint64_t distance_computations = 0;  // exact ones, and estimates of neighbours
  uint64_t hops = 0;                   // nodes expanded
  size_t search_list_size_used = 0;    // the longest list
  double seed_us = 0;                  // choosing where to begin; with a watch
  double walk_us = 0;                  // the rest; with a watch
};

struct GraphSearchOptions {
  size_t k = 10;
  size_t search_list_size = 0;  // 0 = what was found at build time to reach recall@10 0.95
  // Tells the times, counted from its last lap; null = they are not taken. One thread's.
  base::Stopwatch* watch = nullptr;
};

// Immutable; all calls may run at once.
class ResidentIndex {
 public:
  // Reads and checks the whole file. kCorruption names the place, kUnsupported a newer version.
  static Result<std::unique_ptr<ResidentIndex>> load(storage::FileSystem& file_system,
                                                     const std::string& path,
                                                     const CollectionOptions& options);
  ~ResidentIndex();

  uint64_t node_count() const;
  uint64_t bytes_in_memory() const;
  uint64_t bytes_on_disk() const;  // 0 where it has no file
  // The search_list_size that stands for 0 where k is 10.
  size_t default_search_list_size() const;
  size_t max_degree() const;

  // Slots of the nodes, ascending. A slot named here must keep the row that was built over for as
  // long as this index serves, or be absent from `live` whenever a search runs.
  std::span<const uint32_t> slots() const;
  std::span<const uint64_t> tags() const;  // in the order of slots()
  bool contains(uint32_t slot) const;

  // Appends at most k nearest nodes whose slots are in `live`, by (distance, slot); ids are slots.
  // Distances are the exact ones. Fewer than k only where fewer are live.
  // `query`: of the collection's scalar type and dimension, finite.
  void search(VectorView query, const LiveSet& live, const GraphSearchOptions& options,
              std::vector<ScanNeighbor>& found, GraphSearchStats& stats) const;

  // Checks what load() does not: degrees, edge targets, that every node is reachable, and that each
  // record's vector is what `row_of` says (empty = not compared). Calls `damaged` with what is
  // wrong, until it returns false.
  void verify(const std::function<const std::byte*(uint32_t slot)>& row_of,
              const std::function<bool(const Status&)>& damaged) const;

  class Impl;
  explicit ResidentIndex(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// Builds the graph, writes it to `path`, synced (the name is the caller's to make durable) where it
// keeps a file, and opens it. The same bytes for the same input and seed, whatever the thread
// count. kCancelled, kDiskFull, kIoError, kInvalidArgument (memory_bytes too small: says how much
// is needed). Removes what it wrote where it fails.
Result<std::unique_ptr<ResidentIndex>> build_resident_index(storage::FileSystem& file_system,
                                                            const std::string& path,
                                                            const BuildInput& input,
                                                            base::ThreadPool& pool,
                                                            const BuildOptions& options);

}  // namespace roxanne::index
