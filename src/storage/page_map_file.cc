#include "storage/page_map_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"

namespace roxanne::storage {
namespace {

// Leaves that lie this near are read together with what is between them: cheaper than two reads.
constexpr uint32_t kLeafGapMax = 8;

// Tells places that are named twice, or do not exist.
class PlaceChecker {
 public:
  PlaceChecker(const PageFileView& view, uint32_t physical_page_count) : path_(view.path) {
    used_.resize(physical_page_count);
  }

  Status claim(uint32_t physical_page, const char* what, uint32_t number) {
    if (physical_page < kFirstPhysicalPage || physical_page >= used_.size()) {
      return damaged(physical_page, what, number, ", outside the file");
    }
    if (used_.test(physical_page)) {
      return damaged(physical_page, what, number, ", which is named twice");
    }
    used_.set(physical_page);
    return Status::ok();
  }
  PageBits take() { return std::move(used_); }

 private:
  Status damaged(uint32_t physical_page, const char* what, uint32_t number, const char* why) const {
    return Status::corruption(path_ + ": page map: " + what + " " + std::to_string(number) +
                              " lies at physical page " + std::to_string(physical_page) + why);
  }
  const std::string& path_;
  PageBits used_;
};

// Leaves in the order in which they lie in the file.
std::vector<uint32_t> leaves_by_place(const MapPlaces& places) {
  std::vector<uint32_t> order;
  for (uint32_t leaf = 0; leaf < places.leaves.size(); ++leaf) {
    if (places.leaves[leaf] != kNoPage) order.push_back(leaf);
  }
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return places.leaves[a] < places.leaves[b]; });
  return order;
}

Result<std::shared_ptr<const MapLeaf>> parse_leaf(uint32_t index, std::span<const std::byte> page,
                                                  PlaceChecker& places) {
  auto leaf = std::make_shared<MapLeaf>();
  for (uint32_t i = 0; i < kMapEntries; ++i) {
    const uint32_t physical_page = load_map_entry(page, i);
    if (physical_page == kNoPage) continue;
    ROX_RETURN_IF_ERROR(places.claim(physical_page, "page", index * kMapEntries + i));
    leaf->physical[i] = physical_page;
    ++leaf->used_count;
  }
  return std::shared_ptr<const MapLeaf>(std::move(leaf));
}

}  // namespace

Status read_pages(const PageFileView& view, uint32_t physical_page, std::span<std::byte> out) {
  const uint64_t offset = uint64_t{physical_page} * view.page_bytes;
  ROX_ASSIGN_OR_RETURN(const size_t got, view.file.read(offset, out));
  if (got == out.size()) return Status::ok();
  return Status::corruption(view.path + ": ends at byte " + std::to_string(offset + got) +
                            ", more is expected");
}

Result<MapPlaces> read_directory(const PageFileView& view, const PageFileHeader& header) {
  const uint32_t leaf_count = map_pieces(header.logical_page_count);
  MapPlaces places;
  places.directory = {header.directory_page, map_pieces(leaf_count)};
  const uint64_t end = uint64_t{header.directory_page} + places.directory.count;
  if (end > header.physical_page_count) {
    return Status::corruption(view.path + ": page map directory lies outside the file");
  }
  places.leaves.resize(leaf_count);
  base::AlignedBuffer page(view.page_bytes);
  for (uint32_t i = 0; i < places.directory.count; ++i) {
    ROX_RETURN_IF_ERROR(read_pages(view, places.directory.begin + i, page.span()));
    Status status = check_sealed_page(PageKind::kDirectory, i, page.span());
    const uint64_t written_by = load_page_header(page.data()).log_sequence_number;
    if (status.is_ok() && written_by != header.checkpoint_number) {
      status = Status::corruption("page map directory " + std::to_string(i) +
                                  " is of another checkpoint");
    }
    if (!status.is_ok()) return status.with_context(view.path);
    const uint32_t first = i * kMapEntries;
    for (uint32_t j = first; j < std::min(leaf_count, first + kMapEntries); ++j) {
      places.leaves[j] = load_map_entry(page.span(), j - first);
    }
  }
  return places;
}

Status read_leaves(const PageFileView& view, const MapPlaces& places, const LeafVisitor& visit) {
  const std::vector<uint32_t> order = leaves_by_place(places);
  const auto pages_max = static_cast<uint32_t>(kPageRunBytes / view.page_bytes);
  base::AlignedBuffer buffer(order.empty() ? 0 : kPageRunBytes);
  size_t begin = 0;
  while (begin < order.size()) {
    const uint32_t first = places.leaves[order[begin]];
    size_t end = begin + 1;
    while (end < order.size() && places.leaves[order[end]] - first < pages_max &&
           places.leaves[order[end]] - places.leaves[order[end - 1]] <= kLeafGapMax) {
      ++end;
    }
    const uint32_t page_count = places.leaves[order[end - 1]] - first + 1;
    ROX_RETURN_IF_ERROR(
        read_pages(view, first, buffer.span().first(size_t{page_count} * view.page_bytes)));
    for (size_t i = begin; i < end; ++i) {
      const uint32_t leaf = order[i];
      const auto page = buffer.span().subspan(size_t{places.leaves[leaf] - first} * view.page_bytes,
                                              view.page_bytes);
      const Status status = check_sealed_page(PageKind::kLeaf, leaf, page);
      ROX_RETURN_IF_ERROR(visit(leaf, page, status.with_context(view.path)));
    }
    begin = end;
  }
  return Status::ok();
}

void make_map_page(PageHeader header, std::span<const uint32_t> entries,
                   std::span<std::byte> page) {
  ROX_CHECK(entries.size() <= kMapEntries);
  std::fill(page.begin(), page.end(), std::byte{0});
  std::memcpy(page.data() + kPageHeaderBytes, entries.data(), entries.size_bytes());
  seal_page(header, page);
}

Result<LoadedMap> load_page_map(const PageFileView& view, const PageFileHeader& header,
                                const std::shared_ptr<LiveVersions>& live_versions) {
  LoadedMap loaded;
  ROX_ASSIGN_OR_RETURN(loaded.places, read_directory(view, header));
  PlaceChecker checker(view, header.physical_page_count);
  for (uint32_t i = 0; i < loaded.places.directory.count; ++i) {
    ROX_RETURN_IF_ERROR(checker.claim(loaded.places.directory.begin + i, "directory page", i));
  }
  for (uint32_t i = 0; i < loaded.places.leaves.size(); ++i) {
    if (loaded.places.leaves[i] == kNoPage) continue;
    ROX_RETURN_IF_ERROR(checker.claim(loaded.places.leaves[i], "leaf", i));
  }
  std::vector<std::shared_ptr<const MapLeaf>> leaves(loaded.places.leaves.size());
  const LeafVisitor parse = [&](uint32_t index, std::span<const std::byte> page,
                                Status status) -> Status {
    ROX_RETURN_IF_ERROR(status);
    if (load_page_header(page.data()).log_sequence_number > header.checkpoint_number) {
      return Status::corruption(view.path + ": page map leaf " + std::to_string(index) +
                                " is of a later checkpoint");
    }
    ROX_ASSIGN_OR_RETURN(leaves[index], parse_leaf(index, page, checker));
    return Status::ok();
  };
  ROX_RETURN_IF_ERROR(read_leaves(view, loaded.places, parse));
  PageMapEditor editor(PageMap(live_versions, 0), live_versions);
  for (uint32_t i = 0; i < leaves.size(); ++i) {
    if (leaves[i] == nullptr) continue;
    if (leaves[i]->used_count == 0) {
      return Status::corruption(view.path + ": page map leaf " + std::to_string(i) + " is empty");
    }
    editor.set_leaf(i, std::move(leaves[i]));
  }
  loaded.map = editor.finish();
  if (loaded.map->logical_page_count() != header.logical_page_count ||
      loaded.map->used_page_count() != header.used_page_count) {
    return Status::corruption(view.path + ": page map: holds " +
                              std::to_string(loaded.map->used_page_count()) +
                              " pages, the header says " + std::to_string(header.used_page_count));
  }
  loaded.used = checker.take();
  return loaded;
}

}  // namespace roxanne::storage
