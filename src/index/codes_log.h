// The log beside a file of codes: what has changed in memory since that was written, as states, not
// as steps: to apply a block twice changes nothing. Bytes: docs/file_format.md.
//
//   block   header: checksum, magic, version, generation, sequence, counts, numbers
//           cells: number, group, offset, centroid; those that are new or moved
//           pages: number, cell, slot and code of each place; those that are new or changed
//           zeros to a multiple of 4096: what was synced is never written over
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "index/disk_codes_file.h"
#include "index/disk_graph.h"
#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::index {

// Where a log ends: what its next block builds upon.
struct CodesLogEnd {
  uint64_t bytes = 0;
  uint64_t sequence = 0;  // of the next block
  uint64_t checksum = 0;  // of the last block; of the file of codes where there is none
};

// What records of so many cells and pages take up, blocks and all; at the most.
uint64_t codes_log_bytes(const DiskGraph& graph, size_t cell_count, size_t page_count);

// Adds blocks. Cells first, then pages, each in ascending order; new ones without gaps. Nothing
// counts before finish(), and the file's sync.
class CodesLogWriter {
 public:
  // Both outlive it.
  CodesLogWriter(storage::File& file, const DiskGraph& graph, uint32_t generation, CodesLogEnd end);

  Status add_cell(uint32_t cell);
  // `slots`: of all places; kNoNode where they are vacant.
  Status add_page(uint32_t page, std::span<const uint32_t> slots);
  // The last block. There is at least one, of numbers alone.
  Status finish();
  const CodesLogEnd& end() const { return end_; }

 private:
  Status make_room(size_t record_bytes);
  Status write_block();
  void append(const void* bytes, size_t size);

  storage::File& file_;
  const DiskGraph& graph_;
  const uint32_t generation_;
  CodesLogEnd end_;
  std::vector<std::byte> block_;
  uint32_t cell_count_ = 0;  // in block_
  uint32_t page_count_ = 0;
};

// Applies the log's first `bytes` to what it was made for. kCorruption names `path` and place,
// kUnsupported a newer version.
Result<CodesLogEnd> replay_codes_log(const storage::File& file, const std::string& path,
                                     uint64_t bytes, DiskCodes& codes);

}  // namespace roxanne::index
