// A resident graph's file: written once, front to back, read whole. Bytes: docs/file_format.md.
//
//   page 0       header: magic, version, shape, checksums of the sections; its own checksum
//   sections     origin, basis, root, slots, tags, checksums of blocks of records, records; each at
//                the next multiple of 4096
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "index/resident_graph.h"
#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::index {

// Records share a checksum in blocks of so many nodes.
size_t nodes_of_block(const GraphShape& shape);
size_t blocks_of(const GraphShape& shape);

class GraphFileWriter {
 public:
  static Result<std::unique_ptr<GraphFileWriter>> create(storage::FileSystem& file_system,
                                                         const std::string& path,
                                                         const GraphShape& shape);

  // The records of one block; blocks in any order, from any thread.
  Status write_block(size_t block, std::span<const std::byte> records);
  // All but the records, synced.
  Status finish(const ResidentGraph& graph);

  uint64_t bytes() const;

 private:
  GraphFileWriter(std::unique_ptr<storage::File> file, const GraphShape& shape);

  std::mutex mutex_;  // guards writes to file_, and checksums_
  std::unique_ptr<storage::File> file_;
  const GraphShape shape_;
  std::vector<uint64_t> checksums_;
};

// Reads and checks all of it. kCorruption says where; kUnsupported for a newer version;
// kInvalidArgument where it is not of a collection with these options.
Result<std::unique_ptr<ResidentGraph>> read_graph_file(storage::FileSystem& file_system,
                                                       const std::string& path,
                                                       const CollectionOptions& options);

// The same of an open file; `path` is for messages.
Result<std::unique_ptr<ResidentGraph>> read_graph(const storage::File& file,
                                                  const std::string& path,
                                                  const CollectionOptions& options);

}  // namespace roxanne::index
