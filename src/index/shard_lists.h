// Edges as shards found them, in a scratch file, until those of one row that several shards linked
// become one list.
//
// Layout: for each shard, by ascending row: u32 row, u32 count, then count times u32 target and f32
// distance; in this machine's byte order since they do not outlive the process.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/edge_file.h"
#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::index {

struct FoundEdge {
  uint32_t target;
  float distance;  // squared, as the graph sees it
};

// One thread's. The file goes with this object.
class ShardLists {
 public:
  // `file_system` outlives this.
  static Result<std::unique_ptr<ShardLists>> create(storage::FileSystem& file_system,
                                                    std::string path);
  ShardLists(const ShardLists&) = delete;
  ShardLists& operator=(const ShardLists&) = delete;
  ~ShardLists();

  Status begin_shard();
  // Rows ascending within a shard; edges in the order in which pruning chose them.
  Status append(uint32_t row, std::span<const FoundEdge> edges);
  // Writes the list of every row: where several shards have one, the best of all. Every row must
  // have been in some shard.
  Status merge(EdgeFile& edges);

 private:
  class Reader;

  ShardLists(storage::FileSystem& file_system, std::string path)
      : file_system_(file_system), path_(std::move(path)) {}
  Status flush();

  storage::FileSystem& file_system_;
  const std::string path_;
  std::unique_ptr<storage::File> file_;
  std::vector<std::byte> pending_;
  uint64_t end_ = 0;              // of what is in the file
  std::vector<uint64_t> begins_;  // of each shard
};

// The best of some lists of one row: first those that pruning chose strictly, which is how lists
// begin, then by distance. A target is taken once.
class ListMerger {
 public:
  void start();
  void add(std::span<const FoundEdge> edges);
  // Fills `list` and pads it with kNoEdge.
  void finish(std::span<uint32_t> list);

 private:
  struct Ranked {
    FoundEdge edge;
    bool is_strict;
  };
  std::vector<Ranked> edges_;
  size_t list_count_ = 0;
};

}  // namespace roxanne::index
