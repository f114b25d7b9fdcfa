// The page map as it lies in its file: leaves, and a directory that says where they are.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "roxanne/status.h"
#include "storage/file_system.h"
#include "storage/free_pages.h"
#include "storage/page_format.h"
#include "storage/page_map.h"

namespace roxanne::storage {

// What is read or written at once.
inline constexpr size_t kPageRunBytes = 256u << 10;

// Where the map's own pages lie.
struct MapPlaces {
  std::vector<uint32_t> leaves;  // kNoPage where a leaf is empty
  PageRun directory;
};

// A page file to read: its path is for messages.
struct PageFileView {
  const File& file;
  const std::string& path;
  uint32_t page_bytes;
};

// Reads whole pages into `out`; kCorruption where the file ends before them.
Status read_pages(const PageFileView& view, uint32_t physical_page, std::span<std::byte> out);

// The directory that `header` names, checked.
Result<MapPlaces> read_directory(const PageFileView& view, const PageFileHeader& header);

// Calls visit(leaf, page, status) for each leaf that is not empty, in the order in which they lie
// in the file; the status is that of the check of the page. Stops at what visit() returns.
using LeafVisitor =
    std::function<Status(uint32_t leaf, std::span<const std::byte> page, Status status)>;
Status read_leaves(const PageFileView& view, const MapPlaces& places, const LeafVisitor& visit);

// The u32 entries of a map page.
inline uint32_t load_map_entry(std::span<const std::byte> page, uint32_t index) {
  uint32_t entry;
  std::memcpy(&entry, page.data() + kPageHeaderBytes + index * sizeof entry, sizeof entry);
  return entry;
}

// Clears the page, puts the entries in and seals it.
void make_map_page(PageHeader header, std::span<const uint32_t> entries, std::span<std::byte> page);

struct LoadedMap {
  PageSnapshot map;
  MapPlaces places;
  PageBits used;  // physical pages that are named
};

// The map of the checkpoint whose header this is. kCorruption where it is damaged, names a place
// twice, or names one outside the pages that the header gives.
Result<LoadedMap> load_page_map(const PageFileView& view, const PageFileHeader& header,
                                const std::shared_ptr<LiveVersions>& live_versions);

}  // namespace roxanne::storage
