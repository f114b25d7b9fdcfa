// The file of what a disk graph's searches hold in memory: written once, front to back, read whole.
// Bytes: docs/file_format.md.
//
//   page 0     header: magic, version, shape, numbers, checksums of the sections and its own
//   sections   origin, codebook, groups, cells, their pages, slots of the nodes, checksums of
//              blocks of codes, codes; each at the next multiple of 4096
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/disk_graph.h"
#include "index/live_set.h"
#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::index {

// The file's bytes that are not in a DiskGraph.
struct DiskGraphFile {
  std::unique_ptr<DiskGraph> graph;
  LiveSet slots;  // of the nodes
};

class DiskCodesWriter {
 public:
  // All of `graph` but its codes, error and list sizes must be final. `slots` ascend.
  static Result<std::unique_ptr<DiskCodesWriter>> create(storage::FileSystem& file_system,
                                                         const std::string& path,
                                                         const DiskGraph& graph,
                                                         const LiveSet& slots);
  // Codes of the next places; whole blocks of block_places() but for the last.
  size_t block_places() const { return block_places_; }
  Status append(std::span<const std::byte> codes);
  // The rest, synced. Error and list sizes are taken from `graph`. kUnsupported where its numbers
  // are not finite.
  Status finish(const DiskGraph& graph, const LiveSet& slots);
  uint64_t bytes() const { return file_bytes_; }

 private:
  DiskCodesWriter(std::unique_ptr<storage::File> file, size_t block_places)
      : file_(std::move(file)), block_places_(block_places) {}

  std::unique_ptr<storage::File> file_;
  size_t block_places_;
  uint64_t file_bytes_ = 0;
  uint64_t write_offset_ = 0;  // of the next codes
  std::vector<uint64_t> checksums_;
};

// Bytes of a graph's memory, by part; of one that is to be built, at the most.
struct DiskGraphBytes {
  uint64_t codes = 0;
  uint64_t cells = 0;
  uint64_t total() const { return codes + cells; }
};
DiskGraphBytes bytes_of(const DiskGraph& graph);

// Reads and checks all of it. kCorruption says where; kUnsupported for a newer version.
Result<DiskGraphFile> read_disk_codes(storage::FileSystem& file_system, const std::string& path,
                                      const CollectionOptions& options);

}  // namespace roxanne::index
