#include "index/disk_build_bytes.h"

#include <algorithm>

#include "index/cell_sorter.h"
#include "index/disk_lane.h"
#include "index/node_page.h"
#include "index/shard_linker.h"
#include "kernels/product_codes.h"

namespace roxanne::index {
namespace {

// Parts of product codes, at the most: a quarter of the coordinates, but 48 to 128.
constexpr size_t kPartsFew = 48;
constexpr size_t kPartsMany = 128;
constexpr size_t kPartsLeast = 16;

constexpr uint64_t kScratchBytes = 32u << 20;
constexpr uint64_t kTableBytes = 8;  // a row's share of the build's own tables

size_t parts_most(size_t dim) { return std::min(dim, std::clamp(dim / 4, kPartsFew, kPartsMany)); }
size_t parts_least(size_t dim) { return std::min(dim, kPartsLeast); }

// Where memory is no matter: levels, as soon as these say no less than product codes would.
quantize::CellCodeShape code_wanted(size_t dim) {
  const auto levels = quantize::CellCodeShape::levels(dim);
  const auto product = quantize::CellCodeShape::product(parts_most(dim));
  return levels.name_bytes >= product.name_bytes ? levels : product;
}
quantize::CellCodeShape code_least(size_t dim) {
  return quantize::CellCodeShape::product(parts_least(dim));
}

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
  return {shared + places * code_wanted(options.dim).code_bytes(),
          shared + places * code_least(options.dim).code_bytes()};
}

uint64_t disk_lane_bytes(const CollectionOptions& options) {
  return DiskLane::bytes_of(
      NodePageLayout(options, kDiskDegree).page_bytes,
      quantize::CellCodeShape::product(parts_most(options.dim)).query_bytes());
}

uint64_t disk_build_bytes_least(const CollectionOptions& options, uint64_t row_count) {
  const uint64_t cells = row_count / CellSorter::kCellRows + 1;
  const LinkShape shape{options.dim * scalar_bytes(options.type), kDiskDegree, row_count, cells};
  return disk_serving_bytes(options, row_count).least + kScratchBytes +
         std::max(link_bytes_least(shape), cells * options.dim * sizeof(float));
}

quantize::CellCodeShape disk_code_shape(const CollectionOptions& options,
                                        const DiskCodeRoom& room) {
  const quantize::CellCodeShape wanted = code_wanted(options.dim);
  const quantize::CellCodeShape least = code_least(options.dim);
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
  if (code_bytes >= wanted.code_bytes()) return wanted;
  if (code_bytes <= least.code_bytes()) return least;
  return quantize::CellCodeShape::product(
      std::min<size_t>(code_bytes - sizeof(int16_t), parts_most(options.dim)));
}

}  // namespace roxanne::index
