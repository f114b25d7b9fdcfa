// The file of what a disk graph's searches hold in memory, as it was when the file was written:
// front to back, once; read whole. What changed since is in a codes log beside it.
// Bytes: docs/file_format.md.
//
//   page 0     header: magic, version, shape, numbers, checksums of the sections and its own
//   sections   origin, codebook, groups, cells, cells of the pages, slots of the nodes by place,
//              checksums of blocks of codes, codes; each at the next multiple of 4096
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/disk_graph.h"
#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::index {

class DiskCodesWriter {
 public:
  // All of `graph` but its codes, slots, error and list sizes must be final.
  static Result<std::unique_ptr<DiskCodesWriter>> create(storage::FileSystem& file_system,
                                                         const std::string& path,
                                                         const DiskGraph& graph);
  // Codes of the next places; whole blocks of block_places() but for the last.
  size_t block_places() const { return block_places_; }
  Status append(std::span<const std::byte> codes);
  // The rest, synced. kUnsupported where the graph's numbers are not finite.
  Status finish(const DiskGraph& graph);
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
  uint64_t slots = 0;
};
DiskGraphBytes bytes_of(const DiskGraph& graph);
// Fills graph.cell_pages from graph.page_cells.
void list_cell_pages(DiskGraph& graph);

// Reads and checks all of it. kCorruption says where; kUnsupported for a newer version.
Result<std::unique_ptr<DiskGraph>> read_disk_codes(storage::FileSystem& file_system, const std::string& path,
                                      const CollectionOptions& options);

}  // namespace roxanne::index
