// Checkpoints of a page store, and the space they free.
//
// The order is what makes them safe: the changed leaves and the directory go to free places, are
// synced together with all pages written before, and only then is the header written that names
// them: the copy at 0, synced, then the one at 4096, which the next checkpoint's first sync makes
// durable before that copy at 0 is touched again. So at any moment one intact copy names a map of
// which nothing was written over.
#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "storage/page_growth.h"
#include "storage/page_store.h"

namespace roxanne::storage {
namespace {

// Holes a checkpoint punches at most; the next goes on. Each is a call that takes ext4 0.4 ms.
constexpr uint32_t kHolesMax = 1024;

}  // namespace

Status PageStore::checkpoint(const CheckpointRecord& record) {
  const std::lock_guard lock(write_mutex_);
  ROX_RETURN_IF_ERROR(check_writable());
  auto next = prepare_checkpoint(record);
  if (!next.is_ok()) return fail(next.status());
  const Status status = write_and_sync(*next);
  if (!status.is_ok()) {
    if (status.code() == StatusCode::kDiskFull && !next->uses_set_aside) {
      give_back(next->runs);
      give_back({&next->places.directory, 1});
    }
    return fail(status);
  }
  // Keeps D2: all that the header names is on disk.
  const base::AlignedBuffer copy = make_header_copy(next->header);
  const auto write_copy = [&](uint64_t offset) -> Status {
    const Status written = write_bytes(offset, copy.span());
    // The header has its space: an error of any kind leaves unknown what is there now.
    if (written.code() == StatusCode::kDiskFull) return Status::io_error(written.message());
    return written;
  };
  Status header_status = write_copy(0);
  if (header_status.is_ok()) header_status = file_->sync();
  if (header_status.is_ok()) header_status = write_copy(kHeaderCopyBytes);
  if (!header_status.is_ok()) return fail(header_status);
  adopt(std::move(*next));
  const Status space_status = give_space_back();
  publish_stats();
  return space_status.is_ok() ? space_status : fail(space_status);
}

void PageStore::publish_stats() {
  const std::lock_guard publish_lock(publish_mutex_);
  stats_.file_pages = free_.page_count();
  stats_.free_pages = free_.free_count();
  stats_.retired_pages = retired_fresh_.size() + retired_named_.size();
  stats_.memory_bytes = newest_->memory_bytes() + free_.memory_bytes();
}

Result<PageStore::NextCheckpoint> PageStore::prepare_checkpoint(const CheckpointRecord& record) {
  NextCheckpoint next;
  next.map = newest_;
  next.places.leaves = places_.leaves;
  next.places.leaves.resize(newest_->leaf_count(), kNoPage);
  const uint32_t dirty_end = std::min(dirty_leaves_.size(), newest_->leaf_count());
  for (PageRun run = dirty_leaves_.next_run(0, dirty_end); run.count > 0;
       run = dirty_leaves_.next_run(run.end(), dirty_end)) {
    for (uint32_t leaf = run.begin; leaf < run.end(); ++leaf) {
      next.places.leaves[leaf] = kNoPage;
      if (newest_->leaf(leaf) != nullptr) next.leaves.push_back(leaf);
    }
  }
  Status status = take_map_places(next);
  if (status.code() == StatusCode::kDiskFull) status = use_set_aside(next);
  ROX_RETURN_IF_ERROR(status);
  size_t i = 0;
  for (const PageRun& run : next.runs) {
    for (uint32_t place = run.begin; place < run.end(); ++place) {
      next.places.leaves[next.leaves[i++]] = place;
    }
  }
  next.header = durable_;
  ++next.header.checkpoint_number;
  next.header.log_sequence_number = record.log_sequence_number;
  next.header.owner_numbers = record.owner_numbers;
  next.header.logical_page_count = newest_->logical_page_count();
  next.header.used_page_count = newest_->used_page_count();
  next.header.directory_page = next.places.directory.begin;
  next.header.physical_page_count = named_end(next);
  return next;
}

Status PageStore::take_map_places(NextCheckpoint& next) {
  ROX_ASSIGN_OR_RETURN(next.runs, take_places(static_cast<uint32_t>(next.leaves.size())));
  const uint32_t directory_pages = map_pieces(newest_->leaf_count());
  if (directory_pages == 0) return Status::ok();
  auto directory = take_one_run(directory_pages);
  if (!directory.is_ok()) {
    give_back(next.runs);
    next.runs.clear();
    return directory.status();
  }
  next.places.directory = *directory;
  return Status::ok();
}

// A full disk must not keep removed pages from giving their space back.
Status PageStore::use_set_aside(NextCheckpoint& next) {
  const auto leaf_count = static_cast<uint32_t>(next.leaves.size());
  const uint32_t directory_pages = map_pieces(newest_->leaf_count());
  if (set_aside_.count < leaf_count + directory_pages) {
    return Status::disk_full(path_ + ": no space for the page map of a checkpoint");
  }
  next.places.directory = {set_aside_.begin, directory_pages};
  next.runs.clear();
  if (leaf_count > 0) next.runs.push_back({set_aside_.begin + directory_pages, leaf_count});
  next.uses_set_aside = true;
  return Status::ok();
}

// One past the last physical page that the checkpoint names.
uint32_t PageStore::named_end(const NextCheckpoint& next) const {
  PageBits unnamed = free_.free_bits();
  for (const Retired& retired : retired_fresh_) unnamed.set(retired.physical_page);
  for (const Retired& retired : retired_named_) unnamed.set(retired.physical_page);
  unnamed.set(places_.directory);
  for (size_t leaf = 0; leaf < places_.leaves.size(); ++leaf) {
    const uint32_t place = places_.leaves[leaf];
    const bool is_kept = leaf < next.places.leaves.size() && next.places.leaves[leaf] == place;
    if (place != kNoPage && !is_kept) unnamed.set(place);
  }
  unnamed.set(set_aside_);
  if (next.uses_set_aside) {
    unnamed.reset(next.places.directory);
    for (const PageRun& run : next.runs) unnamed.reset(run);
  }
  return std::max(unnamed.clear_end(), kFirstPhysicalPage);
}

Status PageStore::write_leaves(const NextCheckpoint& next) {
  const size_t pages_max = kPageRunBytes / page_bytes_;
  base::AlignedBuffer buffer(next.leaves.empty() ? 0 : kPageRunBytes);
  size_t leaf = 0;
  for (PageRun run : next.runs) {
    while (run.count > 0) {
      const auto count = static_cast<uint32_t>(std::min<size_t>(run.count, pages_max));
      for (uint32_t i = 0; i < count; ++i, ++leaf) {
        const uint32_t number = next.leaves[leaf];
        make_map_page({0, PageKind::kLeaf, number, next.header.checkpoint_number, 0},
                      next.map->leaf(number)->physical,
                      buffer.span().subspan(size_t{i} * page_bytes_, page_bytes_));
      }
      ROX_RETURN_IF_ERROR(write_bytes(uint64_t{run.begin} * page_bytes_,
                                      buffer.span().first(size_t{count} * page_bytes_)));
      run = {run.begin + count, run.count - count};
    }
  }
  return Status::ok();
}

Status PageStore::write_directory(const NextCheckpoint& next) {
  base::AlignedBuffer page(page_bytes_);
  const std::span<const uint32_t> leaves = next.places.leaves;
  for (uint32_t i = 0; i < next.places.directory.count; ++i) {
    const size_t first = size_t{i} * kMapEntries;
    make_map_page({0, PageKind::kDirectory, i, next.header.checkpoint_number, 0},
                  leaves.subspan(first, std::min<size_t>(kMapEntries, leaves.size() - first)),
                  page.span());
    const uint64_t place = uint64_t{next.places.directory.begin} + i;
    ROX_RETURN_IF_ERROR(write_bytes(place * page_bytes_, page.span()));
  }
  return Status::ok();
}

Status PageStore::write_and_sync(const NextCheckpoint& next) {
  ROX_RETURN_IF_ERROR(write_leaves(next));
  ROX_RETURN_IF_ERROR(write_directory(next));
  const Status status = file_->sync();
  // A sync that meets a full disk has lost what was written as any other that fails.
  if (status.code() == StatusCode::kDiskFull) return Status::io_error(status.message());
  return status;
}

// The checkpoint is durable: it is the one to go by now, and what it does not name can go.
void PageStore::adopt(NextCheckpoint next) {
  const auto retire_place = [&](uint32_t place) { retired_named_.push_back({place, 0}); };
  for (uint32_t i = 0; i < places_.directory.count; ++i) retire_place(places_.directory.begin + i);
  for (size_t leaf = 0; leaf < places_.leaves.size(); ++leaf) {
    const uint32_t place = places_.leaves[leaf];
    const bool is_kept = leaf < next.places.leaves.size() && next.places.leaves[leaf] == place;
    if (place != kNoPage && !is_kept) retire_place(place);
  }
  if (next.uses_set_aside) {
    const auto used = static_cast<uint32_t>(next.places.directory.count + next.leaves.size());
    set_aside_ = {set_aside_.begin + used, set_aside_.count - used};
  }
  places_ = std::move(next.places);
  dirty_leaves_.clear();
  dirty_leaves_.resize(static_cast<uint32_t>(places_.leaves.size()));
  fresh_.clear();
  {
    const std::lock_guard lock(publish_mutex_);
    durable_ = next.header;
    stats_.checkpoint_number = durable_.checkpoint_number;
  }
  // Asked only now: who opens the file from here on meets this checkpoint. Keeps D5.
  if (is_unread_elsewhere_ && !is_unread_elsewhere_()) return;
  retired_fresh_.insert(retired_fresh_.end(), retired_named_.begin(), retired_named_.end());
  retired_named_.clear();
  reclaimed_version_ = 0;
}

Status PageStore::give_space_back() {
  reclaim();
  ROX_RETURN_IF_ERROR(cut_tail(spare_pages(free_.tail().begin, page_bytes_)));
  if (!is_mostly_idle(free_)) return Status::ok();
  ROX_RETURN_IF_ERROR(punch_holes());
  move_leaves_down();
  return Status::ok();
}

Status PageStore::give_idle_space_back() {
  const std::lock_guard lock(write_mutex_);
  ROX_RETURN_IF_ERROR(check_writable());
  reclaim();
  Status status = cut_tail(0);
  punch_cursor_ = 0;
  do {
    if (status.is_ok()) status = punch_holes();
  } while (status.is_ok() && punch_cursor_ != 0);
  publish_stats();
  return status.is_ok() ? status : fail(status);
}

Status PageStore::cut_tail(uint32_t spare_pages) {
  const PageRun tail = free_.tail();
  if (tail.count <= spare_pages) return Status::ok();
  ROX_RETURN_IF_ERROR(file_->truncate(uint64_t{tail.begin} * page_bytes_));
  free_.shrink(tail.begin);
  fresh_.resize(tail.begin);
  return Status::ok();
}

Status PageStore::punch_holes() {
  for (uint32_t holes = 0; holes < kHolesMax; ++holes) {
    const PageRun run = free_.next_unpunched(punch_cursor_);
    if (run.count == 0) {
      punch_cursor_ = 0;
      return Status::ok();
    }
    ROX_RETURN_IF_ERROR(
        file_->punch_hole(uint64_t{run.begin} * page_bytes_, uint64_t{run.count} * page_bytes_));
    free_.set_punched(run);
    punch_cursor_ = run.end();
  }
  return Status::ok();
}

// Map pages that lie in the part of the file that would go if all else were packed are written
// anew, lower down, by the next checkpoint: only an owner's pages may keep the file long.
void PageStore::move_leaves_down() {
  const uint32_t packed_end = free_.page_count() - free_.free_count();
  for (uint32_t leaf = 0; leaf < places_.leaves.size(); ++leaf) {
    if (places_.leaves[leaf] >= packed_end) dirty_leaves_.set(leaf);
  }
  if (set_aside_.end() > packed_end) {
    give_back({&set_aside_, 1});
    set_aside_ = {};
  }
}

}  // namespace roxanne::storage
