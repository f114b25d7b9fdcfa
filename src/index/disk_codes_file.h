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
  // All of `graph` but its codes, slots, error and list sizes must be final. `generation`: how many
  // such files of the same graph there were before.
  static Result<std::unique_ptr<DiskCodesWriter>> create(storage::FileSystem& file_system,
                                                         const std::string& path,
                                                         const DiskGraph& graph,
                                                         uint32_t generation = 0);
  // Codes of the next places; whole blocks of block_places() but for the last.
  size_t block_places() const { return block_places_; }
  Status append(std::span<const std::byte> codes);
  // The rest, synced. kUnsupported where the graph's numbers are not finite.
  Status finish(const DiskGraph& graph);
  uint64_t bytes() const { return file_bytes_; }
  // Of the header, once it is finished: stands for the whole file.
  uint64_t checksum() const { return header_checksum_; }

 private:
  Result<uint64_t> write_slots(const DiskGraph& graph, uint64_t offset);  // their checksum
  DiskCodesWriter(std::unique_ptr<storage::File> file, size_t block_places, uint32_t generation)
      : file_(std::move(file)), block_places_(block_places), generation_(generation) {}

  std::unique_ptr<storage::File> file_;
  size_t block_places_;
  uint32_t generation_;
  uint64_t header_checksum_ = 0;
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
// Fills graph.cell_pages, and counts graph.used_pages, from graph.page_cells.
void list_cell_pages(DiskGraph& graph);

// A whole file in one go, synced.
struct WrittenCodes {
  uint64_t file_bytes = 0;
  uint64_t checksum = 0;
};
Result<WrittenCodes> write_disk_codes(storage::FileSystem& file_system, const std::string& path,
                                      const DiskGraph& graph, uint32_t generation);
// Vectors near the end of what floats hold have distances that are not finite: no file takes them.
bool has_finite_numbers(const DiskGraph& graph);
bool are_finite_halves(std::span<const uint16_t> halves);

inline constexpr uint32_t kCellsMax = 1u << 28;

// What was read, before it becomes a graph: what has changed since then may be put in.
struct DiskCodes {
  std::unique_ptr<DiskGraph> graph;  // but for cells, cell_pages and node_of_slot
  Cells::Parts cells;
  std::vector<uint32_t> slots;  // by place; kNoNode where it is vacant
  uint32_t slot_end = 0;        // above all slots
  uint32_t generation = 0;
  uint64_t file_bytes = 0;
  uint64_t checksum = 0;  // of the header
};
// Reads and checks all of it. kCorruption says where; kUnsupported for a newer version.
Result<DiskCodes> load_disk_codes(storage::FileSystem& file_system, const std::string& path,
                                  const CollectionOptions& options);
// kCorruption, naming `path`, where a slot is there twice or another number of them than of nodes.
Result<std::unique_ptr<DiskGraph>> make_disk_graph(DiskCodes codes, const std::string& path);

// Both steps, of a file by itself.
Result<std::unique_ptr<DiskGraph>> read_disk_codes(storage::FileSystem& file_system,
                                                   const std::string& path,
                                                   const CollectionOptions& options);

}  // namespace roxanne::index
