// Reads and checks a whole page file.
#include <algorithm>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "storage/page_store.h"

namespace roxanne::storage {

uint64_t PageStore::check(const std::function<void(const Status&)>& on_damage) const {
  uint64_t damage_count = 0;
  const Report report = [&](const Status& status) {
    ++damage_count;
    on_damage(status);
  };
  PageSnapshot pinned;
  {
    const std::lock_guard lock(write_mutex_);
    pinned = newest_;
    check_map_file(report);
    check_places(*pinned, report);
  }
  check_pages(*pinned, report);
  return damage_count;
}

// Header, directory and leaves on disk are those of the last checkpoint. One damaged copy of the
// header is none of these: a crash leaves it so, and the next opening for writing mends it.
void PageStore::check_map_file(const Report& report) const {
  const PageFileView view{*file_, path_, page_bytes_};
  base::AlignedBuffer copies(2 * kHeaderCopyBytes);
  const Result<size_t> got = file_->read(0, copies.span());
  if (!got.is_ok()) return report(got.status());
  const Result<PageFileHeader> header = read_file_header(copies.span().first(*got));
  if (!header.is_ok()) return report(header.status().with_context(path_));
  // Beside another process that writes, the file goes on; what this one goes by is there still.
  const bool has_gone_on = read_only_ && header->checkpoint_number > durable_.checkpoint_number;
  if (header->checkpoint_number != durable_.checkpoint_number && !has_gone_on) {
    return report(Status::corruption(path_ + ": page file header: is of checkpoint " +
                                     std::to_string(header->checkpoint_number) + ", not " +
                                     std::to_string(durable_.checkpoint_number)));
  }
  const Result<MapPlaces> places = read_directory(view, has_gone_on ? durable_ : *header);
  if (!places.is_ok()) return report(places.status());
  if (places->leaves != places_.leaves) {
    return report(Status::corruption(path_ + ": page map directory: is not what was written"));
  }
  const Status status = read_leaves(
      view, *places, [&](uint32_t leaf, std::span<const std::byte> page, Status leaf_status) {
        if (!leaf_status.is_ok()) {
          report(leaf_status);
          return Status::ok();
        }
        if (leaf < dirty_leaves_.size() && dirty_leaves_.test(leaf)) return Status::ok();
        const MapLeaf* expected = leaf < newest_->leaf_count() ? newest_->leaf(leaf) : nullptr;
        for (uint32_t i = 0; expected != nullptr && i < kMapEntries; ++i) {
          if (load_map_entry(page, i) == expected->physical[i]) continue;
          report(Status::corruption(path_ + ": page map leaf " + std::to_string(leaf) +
                                    ": is not what was written"));
          break;
        }
        return Status::ok();
      });
  if (!status.is_ok()) report(status);
}

// In memory: no place is named twice, none is free and named.
void PageStore::check_places(const PageMap& map, const Report& report) const {
  const uint32_t page_count = read_only_ ? durable_.physical_page_count : free_.page_count();
  PageBits named;
  named.resize(page_count);
  const auto claim = [&](uint32_t place, const std::string& what) {
    const char* why = nullptr;
    if (place < kFirstPhysicalPage || place >= page_count) {
      why = ", outside the file";
    } else if (named.test(place)) {
      why = ", which is named twice";
    } else if (!read_only_ && free_.is_free(place)) {
      why = ", which is free";
    }
    if (why != nullptr) {
      return report(Status::corruption(path_ + ": " + what + " lies at physical page " +
                                       std::to_string(place) + why));
    }
    named.set(place);
  };
  for (uint32_t i = 0; i < places_.directory.count; ++i) {
    claim(places_.directory.begin + i, "page map directory " + std::to_string(i));
  }
  for (size_t i = 0; i < places_.leaves.size(); ++i) {
    if (places_.leaves[i] != kNoPage)
      claim(places_.leaves[i], "page map leaf " + std::to_string(i));
  }
  map.for_each_page([&](uint32_t logical_page, uint32_t physical_page) {
    claim(physical_page, "page " + std::to_string(logical_page));
  });
}

void PageStore::check_pages(const PageMap& map, const Report& report) const {
  const PageFileView view{*file_, path_, page_bytes_};
  const auto pages_max = static_cast<uint32_t>(kPageRunBytes / page_bytes_);
  base::AlignedBuffer buffer(kPageRunBytes);
  PageRun run;  // of places, and the pages that lie there
  std::vector<uint32_t> pages;
  const auto check_run = [&] {
    if (pages.empty()) return;
    const auto bytes = buffer.span().first(pages.size() * page_bytes_);
    const Status status = read_pages(view, run.begin, bytes);
    if (!status.is_ok()) report(status);
    for (size_t i = 0; status.is_ok() && i < pages.size(); ++i) {
      const Status page_status = check_page(pages[i], bytes.subspan(i * page_bytes_, page_bytes_));
      if (!page_status.is_ok()) report(page_status);
    }
    pages.clear();
  };
  map.for_each_page([&](uint32_t logical_page, uint32_t physical_page) {
    if (pages.size() == pages_max || pages.empty() || physical_page != run.end()) {
      check_run();
      run = {physical_page, 0};
    }
    pages.push_back(logical_page);
    ++run.count;
  });
  check_run();
}

}  // namespace roxanne::storage
