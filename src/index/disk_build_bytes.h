// What a disk index of so many rows takes in memory, where it serves and while it is built: known
// before there is one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "index/resident_index.h"
#include "quantize/cell_code.h"
#include "roxanne/options.h"

namespace roxanne::index {

// Neighbours of a node that a build makes at most.
inline constexpr uint32_t kDiskDegree = 32;

// Whether such rows fit the pages of a disk index.
bool fits_disk_index(const CollectionOptions& options);
// What an index of so many rows takes in memory: with the codes it wants, and with the shortest.
ResidentBytes disk_serving_bytes(const CollectionOptions& options, uint64_t row_count);
// What each thread that searches takes beside, at the most.
uint64_t disk_lane_bytes(const CollectionOptions& options);
// The least DiskBuildOptions::memory_bytes that a build goes on with.
uint64_t disk_build_bytes_least(const CollectionOptions& options, uint64_t row_count);

// What codes an index may have, so that it fits the memory of its build and of whoever serves it.
// Bytes: 0 = no bound.
struct DiskCodeRoom {
  uint64_t row_count = 0;
  uint64_t place_count = 0;  // in pages: vacant ones have codes too
  uint64_t build_bytes = 0;
  uint64_t serving_bytes = 0;
};
quantize::CellCodeShape disk_code_shape(const CollectionOptions& options, const DiskCodeRoom& room);

}  // namespace roxanne::index
