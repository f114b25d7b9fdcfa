// Options and reports of the API. Every field has a default that is right for most.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "roxanne/types.h"

namespace roxanne {

namespace storage {
class FileSystem;  // internal: tests run the whole engine on a simulated one
}

// When a write counts as done. Every level keeps batches atomic and, after a crash, a prefix of the
// acknowledged batches: never a gap, never half a batch. See docs/durability.md.
enum class Durability : uint8_t {
  kFull = 0,     // acknowledged = synced to disk; concurrent writers share one sync
  kGrouped = 1,  // acknowledged = handed to the system; synced at least every 100 ms. A killed
                 // process loses nothing, a power cut at most that interval
  kNone = 2,     // acknowledged = handed to the system; synced by flush(), checkpoints and at close
};

struct DatabaseOptions {
  bool create_if_missing = false;  // else opening a path with no database is kNotFound
  bool error_if_exists = false;    // kAlreadyExists where a database is there
  // Many processes may read while one writes. A reader sees the database as it was when opened and
  // writes no byte.
  bool read_only = false;
  Durability durability = Durability::kFull;
  // Bounds cached vectors, graphs, buffers and RocksDB; vectors beyond it are streamed from disk,
  // graphs served from there. Of it 16 to 32 MiB are for what is not counted: the program's file,
  // threads, free space in the heap (docs/tuning.md, "Writing to a collection with a graph").
  // 0 = half of the memory this process may use (cgroup limit or physical). At least 32 MiB.
  uint64_t memory_limit_bytes = 0;
  uint32_t thread_count = 0;  // of a search and of a build, half as many of what changes a graph
                              // in the background; 0 = one a processor
  // Whether memory that the limit leaves keeps pages of disk graphs, so that they need not be read
  // again. Without, each search pays its reads: for measuring.
  bool page_cache = true;
  // Whether graphs are built and kept up with their points in the background, where a collection is
  // large enough and memory_limit_bytes allows; else only by Collection::build_index(). Graphs that
  // are there serve in either case, and every search finds what was written before it.
  bool automatic_index = true;
  uint64_t index_points_min = 0;  // smaller collections are searched exactly; 0 = engine's choice
  // Where the bytes go; null = the operating system's files. Must outlive the database.
  storage::FileSystem* file_system = nullptr;
};

struct CollectionOptions {
  size_t dim = 0;  // 1..kDimMax; required
  ScalarType type = ScalarType::kF32;
  Metric metric = Metric::kL2;
  KeyType key_type = KeyType::kU64;
};

// What upsert does with a key that is in the collection already.
enum class OnDuplicate : uint8_t { kReplace = 0, kError = 1, kSkip = 2 };

struct UpsertOptions {
  OnDuplicate on_duplicate = OnDuplicate::kReplace;
  // Empty, or one a row: a JSON object as text, or "" for none. A replaced point loses its old one.
  std::span<const std::string> payloads = {};
};

struct UpsertCounts {
  uint64_t inserted = 0;
  uint64_t replaced = 0;
  uint64_t skipped = 0;
};

// What one search cost. Sums over the queries of a batch, but for the last field.
//
// An exact scan reads for all queries of a batch at once: its reads, hits, rounds and times are
// those of the batch. Times are fractions of a microsecond too, so that sums of short ones are
// right. All but latency_us are of the threads that worked: where several did, their sum may exceed
// it. Loading a graph, which the first search does, is in latency_us alone.
struct SearchStats {
  uint64_t queries = 0;
  uint64_t reads = 0;                  // reads sent to the file system
  uint64_t bytes_read = 0;             // by them
  uint64_t cache_hits = 0;             // pages (exact scan: blocks) found in memory, not read
  uint64_t read_rounds = 0;            // times a query had to wait for reads, one after the other
  uint64_t distance_computations = 0;  // query-vector pairs, estimates of a graph's included
  uint64_t hops = 0;                   // graph nodes expanded; 0 for the exact scan
  double latency_us = 0;               // wall time of the call
  double seed_us = 0;                  // choosing where to begin: query tables, cells, root
  double walk_us = 0;                  // computing: expanding, estimating, ranking
  double read_wait_us = 0;             // waiting for reads, with nothing else to do
  double result_us = 0;                // keys, payloads and vectors of the answers
  // The longest candidate list that a query needed; 0 where no graph was searched.
  uint64_t search_list_size_used = 0;

  SearchStats& operator+=(const SearchStats& other);
};

inline SearchStats& SearchStats::operator+=(const SearchStats& other) {
  static_assert(sizeof(SearchStats) == 13 * 8, "a new field is added up here too");
  queries += other.queries;
  reads += other.reads;
  bytes_read += other.bytes_read;
  cache_hits += other.cache_hits;
  read_rounds += other.read_rounds;
  distance_computations += other.distance_computations;
  hops += other.hops;
  latency_us += other.latency_us;
  seed_us += other.seed_us;
  walk_us += other.walk_us;
  read_wait_us += other.read_wait_us;
  result_us += other.result_us;
  search_list_size_used = std::max(search_list_size_used, other.search_list_size_used);
  return *this;
}

// When a call gives up: it then returns kCancelled. Looked at between pieces of work, so that a
// call ends some milliseconds later, or when the reads that are under way have come.
using Deadline = std::chrono::steady_clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();

struct SearchOptions {
  size_t k = 10;  // 1..kSearchKMax; fewer come back where the collection has fewer
  // Candidates kept: recall against work. 0 = chosen by the engine, at most kSearchListSizeMax;
  // below k it counts as k. Without effect on exact search.
  size_t search_list_size = 0;
  bool exact = false;  // compare with every vector
  bool with_payload = false;
  bool with_vector = false;
  uint32_t thread_count = 0;     // 0 = DatabaseOptions::thread_count
  SearchStats* stats = nullptr;  // added to, where given
  // Loading a graph, which the first search does, and one query's walk in memory are not stopped.
  Deadline deadline = kNoDeadline;
};

struct GetOptions {
  bool with_payload = true;
};

// In which order a scan visits points.
enum class ScanOrder : uint8_t { kAny = 0, kKey = 1 };

struct ScanOptions {
  ScanOrder order = ScanOrder::kAny;
  // Begins behind this key, which need not be there: how to go on where an earlier scan stopped.
  // ScanOrder::kKey only.
  std::optional<Key> after = std::nullopt;
  // Without, a point's vector is empty, and a scan in key order reads none.
  bool with_vector = true;
  bool with_payload = true;
  Deadline deadline = kNoDeadline;  // of all its next() calls
};

// What computes a graph when it is built; the graph is the same. Searches never need any.
enum class Accelerator : uint8_t {
  kAuto = 0,  // devices where there are any that can be used, else the processor
  kCpu = 1,   // the processor
  kCuda = 2,  // CUDA devices, or an error
};

// How a build went.
struct IndexReport {
  std::string accelerator;       // what computed the graph: "cpu", "cuda"; "" where none was built
  std::string accelerator_note;  // why kAuto is not what was hoped for; "" where it is
};

struct IndexOptions {
  // Builds the graph anew where anything waits to be taken in, however little; still nothing where
  // nothing does.
  bool rebuild = false;
  // The memory limit of whoever will serve the collection, where it is less than this database's
  // own: the graph is built to fit it. Less than 32 MiB makes the smallest graph that there is, on
  // disk. 0 = this database's.
  uint64_t serving_memory_bytes = 0;
  // kCuda where it cannot be had is kInvalidArgument, and nothing is built (accelerator_status()).
  Accelerator accelerator = Accelerator::kAuto;
  uint64_t device_memory_bytes = 0;  // of each device, that a build may take; 0 = most of it
  IndexReport* report = nullptr;     // filled in, where given
  // Called now and then, by one thread at a time, with what is being done and the fraction done of
  // the whole; false cancels. May be empty. Must not throw, nor call the database.
  std::function<bool(std::string_view phase, double fraction)> progress;
};

// What was done to keep a graph up with its points, since the database was opened.
struct IndexUpdateInfo {
  uint64_t added = 0;    // points
  uint64_t removed = 0;  // points
  uint64_t reads = 0;    // pages read from disk
  uint64_t pages_written = 0;
  uint64_t bytes_written = 0;  // pages, page maps and codes
  uint64_t checkpoints = 0;
};

// A collection's graph; zeros where it has none. Before it is loaded the first three are what is
// known without: about so many, and no dead nodes.
struct IndexInfo {
  uint64_t points = 0;            // that it finds; searches compare with all others, one by one
  uint64_t unindexed_points = 0;  // those others
  uint64_t dead_nodes = 0;        // points that are gone and not yet taken out of it
  // Points added and removed since the graph was last made durable: the next open would do it again
  // if the process died now.
  uint64_t changes_since_checkpoint = 0;
  IndexUpdateInfo updates;
  size_t search_list_size = 0;   // what SearchOptions::search_list_size 0 stands for where k is 10
  size_t max_degree = 0;         // neighbours of a node at most
  uint64_t bytes_in_memory = 0;  // 0 until the first search, which loads it
  uint64_t bytes_on_disk = 0;
};

// What something takes in memory at this moment. Parts do not overlap.
struct MemoryPart {
  std::string name;    // of a collection: "vectors" (cached ones), "graph", "tail" (vectors that no
                       // graph names yet), "live sets"; on disk also "codes", "cells", "slot
                       // table" (where each slot's node is), "page map", "page cache", "search
                       // buffers", "updates" (buffers of them)
  uint64_t bytes = 0;  // 0 too: a part that would be there is named
};

struct CollectionInfo {
  std::string name;
  CollectionOptions options;
  uint64_t points = 0;
  std::string regime;            // "resident": searches walk a graph in memory;
                                 // "disk": they walk a graph on disk, steered by codes in memory;
                                 // "exact": every search compares with every vector;
                                 // "damaged": it cannot be opened, verify says why
  uint64_t bytes_on_disk = 0;    // vectors file and graph (allocated blocks)
  uint64_t bytes_in_memory = 0;  // the sum of `memory`
  std::vector<MemoryPart> memory;
  uint64_t slots = 0;  // places in the vectors file, live or free
  IndexInfo index;
  std::string index_error;  // why the graph was not built, loaded or kept up, when that was last
                            // tried; "" where it was
};

struct DatabaseInfo {
  std::string path;
  uint32_t format_version = 0;
  uint64_t memory_limit_bytes = 0;
  std::vector<MemoryPart> memory;   // what no collection has alone: "store" is RocksDB
  uint64_t memory_used_bytes = 0;   // the sum of it and of what the collections have
  uint64_t resident_set_bytes = 0;  // of the whole process, as the system counts; 0 = not known
  uint64_t bytes_on_disk = 0;       // the whole folder, allocated blocks
  uint64_t redo_bytes = 0;          // replayed by the next open if the process died now
  std::string isa;                  // the instruction set the distance kernels run on
  bool read_only = false;   // opened so, or since a write failed so that none may follow
  std::string write_error;  // that failure; "" where there was none
  std::vector<CollectionInfo> collections;
};

struct SnapshotOptions {
  // Called now and then, by one thread, with the fraction done, in [0, 1]; false cancels. May be
  // empty. Must not throw, nor close the database.
  std::function<bool(double fraction)> progress;
};

struct SnapshotReport {
  uint64_t collections = 0;
  uint64_t points = 0;
  uint64_t bytes_copied = 0;
  uint64_t bytes_shared = 0;  // files, or blocks of files, that both folders have on disk once
};

struct VerifyOptions {
  bool repair = false;  // rebuild what is derived (live bitmaps, slot -> key)
  // Called now and then with the fraction done of a collection, in [0, 1]; false cancels. May be
  // empty. Must not throw, nor call the database: writers wait meanwhile.
  std::function<bool(double fraction)> progress;
};

struct VerifyReport {
  uint64_t points_checked = 0;
  uint64_t bytes_checked = 0;
  std::vector<std::string> problems;  // empty = all is well; at most kProblemsMax
  std::vector<std::string> repaired;  // what `repair` mended
  static constexpr size_t kProblemsMax = 1000;
};

}  // namespace roxanne
