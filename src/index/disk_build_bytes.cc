#include "index/disk_build_bytes.h"

#include <algorithm>

#include "index/cell_sorter.h"
#include "index/disk_lane.h"
#include "index/node_page.h"
#include "index/shard_linker.h"
#include "kernels/product_codes.h"

namespace roxanne::index {
namespace {

// Bytes of a code where memory is no matter: a quarter of the coordinates, but 48 to 128.
constexpr size_t kPartsFew = 48;
constexpr size_t kPartsMany = 128;
constexpr size_t kPartsLeast = 16;

constexpr uint64_t kScratchBytes = 32u << 20;
constexpr uint64_t kTableBytes = 8;  // a row's share of the build's own tables

size_t parts_wanted(size_t dim) {
  return std::min(dim, std::clamp(dim / 4, kPartsFew, kPartsMany));
}
size_t parts_least(size_t dim) { return std::min(dim, kPartsLeast); }

// Of a place in a page, beside its code: its share of cells, page tables and slots.
uint64_t shared_bytes(const CollectionOptions& options, uint64_t row_count) {
  const NodePageLayout layout(options, kDiskDegree);
  const uint64_t cells = row_count / CellSorter::kCellRows + 1;
  const uint64_t pages = row_count / std::max(1u, layout.nodes) + cells;
  return cells * (options.dim * sizeof(uint16_t) + 64) + pages * 3 * sizeof(uint32_t) +
         row_count / 4 + row_count * sizeof(uint32_t) +
         options.dim * kernels::kCodebookEntries * sizeof(float);
}

// Places, those that stay vacant at the ends of cells included.
uint64_t place_count_of(const CollectionOptions& options, uint64_t row_count) {
  const NodePageLayout layout(options, kDiskDegree);
  const uint64_t cells = row_count / CellSorter::kCellRows + 1;
  return row_count + cells * layout.nodes / 2;
}

}  // namespace

bool fits_disk_index(const CollectionOptions& options) {
  return NodePageLayout(options, kDiskDegree).nodes > 0;
}

ResidentBytes disk_serving_bytes(const CollectionOptions& options, uint64_t row_count) {
  const uint64_t places = place_count_of(options, row_count);
  const uint64_t shared = shared_bytes(options, row_count);
  return {shared + places * (parts_wanted(options.dim) + sizeof(int16_t)),
          shared + places * (parts_least(options.dim) + sizeof(int16_t))};
}

uint64_t disk_lane_bytes(const CollectionOptions& options) {
  return DiskLane::bytes_of(NodePageLayout(options, kDiskDegree).page_bytes,
                            parts_wanted(options.dim));
}

uint64_t disk_build_bytes_least(const CollectionOptions& options, uint64_t row_count) {
  const uint64_t cells = row_count / CellSorter::kCellRows + 1;
  const LinkShape shape{options.dim * scalar_bytes(options.type), kDiskDegree, row_count, cells};
  return disk_serving_bytes(options, row_count).least + kScratchBytes +
         std::max(link_bytes_least(shape), cells * options.dim * sizeof(float));
}

size_t disk_part_count(const CollectionOptions& options, const DiskCodeRoom& room) {
  const size_t least = parts_least(options.dim);
  const uint64_t shared = shared_bytes(options, room.row_count);
  uint64_t allowed = UINT64_MAX;
  if (room.build_bytes != 0) {
    // The codes are whole before the build ends, beside its own tables.
    const uint64_t taken = kScratchBytes + shared + room.row_count * kTableBytes;
    allowed = room.build_bytes - std::min(room.build_bytes, taken);
  }
  if (room.serving_bytes != 0) allowed = std::min(allowed, room.serving_bytes);
  if (allowed <= shared) return least;
  const uint64_t code_bytes = (allowed - shared) / room.place_count;
  const uint64_t parts = code_bytes > sizeof(int16_t) ? code_bytes - sizeof(int16_t) : 0;
  return std::clamp<size_t>(parts, least, parts_wanted(options.dim));
}

}  // namespace roxanne::index
