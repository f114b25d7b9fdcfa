#include "storage/page_store.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "storage/page_growth.h"

namespace roxanne::storage {
namespace {

// Pages of shorter runs are handed over one by one, many at once.
constexpr uint32_t kLongRun = 16;
constexpr uint32_t kPhysicalPagesMax = std::numeric_limits<uint32_t>::max();

// Whether bytes can be written from where they are; those of many pages, as one piece.
bool is_for_direct_writing(const PageImage& page) {
  return reinterpret_cast<uintptr_t>(page.bytes) % base::kPageBytes == 0;
}

bool is_one_piece(std::span<const PageImage> pages, size_t page_bytes) {
  if (!is_for_direct_writing(pages[0])) return false;
  for (size_t i = 1; i < pages.size(); ++i) {
    if (pages[i].bytes != pages[i - 1].bytes + page_bytes) return false;
  }
  return true;
}

Result<PageFileHeader> load_header(const File& file, const std::string& path) {
  base::AlignedBuffer copies(2 * kHeaderCopyBytes);
  ROX_ASSIGN_OR_RETURN(const size_t got, file.read(0, copies.span()));
  Result<PageFileHeader> header = read_file_header(copies.span().first(got));
  if (!header.is_ok()) return header.status().with_context(path);
  return header;
}

}  // namespace

PageStore::PageStore(std::string path, const PageStoreOptions& options)
    : path_(std::move(path)),
      page_bytes_(options.page_bytes),
      read_only_(options.read_only),
      is_unread_elsewhere_(options.is_unread_elsewhere),
      live_versions_(std::make_shared<LiveVersions>()) {}

PageStore::~PageStore() = default;

Result<std::unique_ptr<PageStore>> PageStore::create(FileSystem& file_system,
                                                     const std::string& path,
                                                     const PageStoreOptions& options) {
  ROX_CHECK(options.page_bytes >= base::kPageBytes && options.page_bytes <= kPageBytesMax &&
            options.page_bytes % base::kPageBytes == 0);
  {
    ROX_ASSIGN_OR_RETURN(const auto file, file_system.open(path, OpenMode::kCreate));
    PageFileHeader header{};
    header.page_bytes = options.page_bytes;
    header.checkpoint_number = 1;
    header.physical_page_count = kFirstPhysicalPage;
    const base::AlignedBuffer copy = make_header_copy(header);
    ROX_RETURN_IF_ERROR(file->allocate(0, uint64_t{kFirstPhysicalPage} * options.page_bytes));
    ROX_RETURN_IF_ERROR(file->write(0, copy.span()));
    ROX_RETURN_IF_ERROR(file->write(kHeaderCopyBytes, copy.span()));
    ROX_RETURN_IF_ERROR(file->sync());
  }
  PageStoreOptions open_options = options;
  open_options.read_only = false;
  return open(file_system, path, open_options);
}

Result<std::unique_ptr<PageStore>> PageStore::open(FileSystem& file_system, const std::string& path,
                                                   const PageStoreOptions& options) {
  ROX_ASSIGN_OR_RETURN(const bool is_there, file_system.exists(path));
  if (!is_there) return Status::corruption(path + ": the page file is missing");
  std::unique_ptr<PageStore> store(new PageStore(path, options));
  ROX_ASSIGN_OR_RETURN(store->file_,
                       file_system.open(path, options.read_only ? OpenMode::kReadDirect
                                                                : OpenMode::kReadWriteDirect));
  ROX_ASSIGN_OR_RETURN(const uint64_t file_bytes, store->file_->size());
  ROX_ASSIGN_OR_RETURN(const PageFileHeader header, load_header(*store->file_, path));
  store->page_bytes_ = header.page_bytes;
  const uint64_t expected = uint64_t{header.physical_page_count} * header.page_bytes;
  if (file_bytes < expected) {
    return Status::corruption(path + ": " + std::to_string(file_bytes) +
                              " bytes long, cut short: its pages take " + std::to_string(expected));
  }
  ROX_ASSIGN_OR_RETURN(LoadedMap loaded,
                       load_page_map({*store->file_, store->path_, header.page_bytes}, header,
                                     store->live_versions_));
  const std::scoped_lock lock(store->publish_mutex_, store->write_mutex_);
  store->newest_ = std::move(loaded.map);
  store->places_ = std::move(loaded.places);
  store->durable_ = header;
  store->stats_.checkpoint_number = header.checkpoint_number;
  store->stats_.used_pages = header.used_page_count;
  store->stats_.file_pages = header.physical_page_count;
  if (!options.read_only) ROX_RETURN_IF_ERROR(store->start_writing(file_bytes, loaded.used));
  store->stats_.memory_bytes = store->newest_->memory_bytes() + store->free_.memory_bytes();
  return store;
}

// What was found may be in the system's memory only: the process before may have been killed, or
// may have failed, between a header's write and its sync. Places that this header does not name are
// about to be reused, so it has to be durable, in both places. The copy at 4096 goes first: it may
// be older, or torn, and then the one at 0 is what counts.
Status PageStore::write_header_copies(const PageFileHeader& header) {
  const base::AlignedBuffer copy = make_header_copy(header);
  ROX_RETURN_IF_ERROR(file_->write(kHeaderCopyBytes, copy.span()));
  ROX_RETURN_IF_ERROR(file_->sync());
  ROX_RETURN_IF_ERROR(file_->write(0, copy.span()));
  return file_->sync();
}

Status PageStore::start_writing(uint64_t file_bytes, const PageBits& used) {
  ROX_RETURN_IF_ERROR(write_header_copies(durable_));
  const auto page_count =
      static_cast<uint32_t>(std::min<uint64_t>(file_bytes / page_bytes_, kPhysicalPagesMax));
  free_.add_used(page_count);
  fresh_.resize(page_count);
  dirty_leaves_.resize(newest_->leaf_count());
  // A process may read by an older checkpoint, which names any of them.
  const bool is_unread = !is_unread_elsewhere_ || is_unread_elsewhere_();
  for (uint32_t page = kFirstPhysicalPage; page < page_count; ++page) {
    if (page < used.size() && used.test(page)) continue;
    if (is_unread) {
      free_.free(page);
    } else {
      retired_named_.push_back({page, 0});
    }
  }
  stats_.file_pages = page_count;
  stats_.free_pages = free_.free_count();
  stats_.retired_pages = retired_named_.size();
  return Status::ok();
}

PageSnapshot PageStore::snapshot() const {
  const std::lock_guard lock(publish_mutex_);
  return newest_;
}

CheckpointRecord PageStore::last_checkpoint() const {
  const std::lock_guard lock(publish_mutex_);
  return {durable_.log_sequence_number, durable_.owner_numbers};
}

PageStoreStats PageStore::stats() const {
  const std::lock_guard lock(publish_mutex_);
  return stats_;
}

Status PageStore::check_page(uint32_t logical_page, std::span<const std::byte> bytes) const {
  ROX_ASSERT(bytes.size() == page_bytes_);
  const Status status = check_sealed_page(PageKind::kData, logical_page, bytes);
  return status.is_ok() ? status : status.with_context(path_);
}

Status PageStore::read_page(const PageMap& snapshot, uint32_t logical_page,
                            std::span<std::byte> out) const {
  ROX_CHECK(out.size() == page_bytes_);
  const uint32_t physical_page = snapshot.physical_page(logical_page);
  if (physical_page == kNoPage) {
    return Status::not_found(path_ + ": there is no page " + std::to_string(logical_page));
  }
  ROX_RETURN_IF_ERROR(read_pages({*file_, path_, page_bytes_}, physical_page, out));
  return check_page(logical_page, out);
}

Status PageStore::check_writable() const {
  if (read_only_) return Status::read_only(path_ + ": is open for reading only");
  return refusal_;
}

// Keeps D6. A full disk is no failure: nothing that anybody names was touched.
Status PageStore::fail(Status status) {
  if (status.code() == StatusCode::kDiskFull) return status;
  refusal_ =
      Status::read_only(path_ + ": writes are refused since one failed: " + status.to_string());
  return status;
}

Status PageStore::write_bytes(uint64_t offset, std::span<const std::byte> bytes) {
  ROX_RETURN_IF_ERROR(file_->write(offset, bytes));
  const std::lock_guard lock(publish_mutex_);
  stats_.bytes_written += bytes.size();
  return Status::ok();
}

// At least `missing` pages more, and some on top where the disk has them: one call to the file
// system for many writes.
Status PageStore::grow(uint32_t missing) {
  const uint32_t old_count = free_.page_count();
  if (missing > kPhysicalPagesMax - old_count) {
    return Status::disk_full(path_ + ": has as many pages as can be numbered");
  }
  const uint64_t step = std::max<uint64_t>(missing, spare_pages(old_count, page_bytes_));
  uint64_t added = std::min<uint64_t>(step, kPhysicalPagesMax - old_count);
  const uint64_t offset = uint64_t{old_count} * page_bytes_;
  Status status = file_->allocate(offset, added * page_bytes_);
  if (status.code() == StatusCode::kDiskFull && added > missing) {
    added = missing;
    status = file_->allocate(offset, added * page_bytes_);
  }
  ROX_RETURN_IF_ERROR(status);
  free_.grow(old_count + static_cast<uint32_t>(added));
  fresh_.resize(free_.page_count());
  return Status::ok();
}

// One run where there is one. Else the file grows, unless much of it is free: then its holes are
// filled, for a file that grew at each write would never be reused.
Result<std::vector<PageRun>> PageStore::choose_places(uint32_t count) {
  const PageRun run = free_.take_run(count);
  if (run.count > 0) return std::vector<PageRun>{run};
  const bool holes_suffice = free_.free_count() >= count;
  if (!holes_suffice || !is_much_free(free_)) {
    const uint32_t tail_count = free_.tail().count;
    const Status status = tail_count < count ? grow(count - tail_count) : Status::ok();
    if (status.is_ok()) return std::vector<PageRun>{free_.take_tail(count)};
    if (status.code() != StatusCode::kDiskFull || !holes_suffice) return status;
  }
  return free_.take_scattered(count);
}

Result<PageRun> PageStore::take_one_run(uint32_t count) {
  PageRun run = free_.take_run(count);
  if (run.count == 0) {
    const uint32_t tail_count = free_.tail().count;
    if (tail_count < count) ROX_RETURN_IF_ERROR(grow(count - tail_count));
    run = free_.take_tail(count);
  }
  const Status status = reserve({&run, 1});
  if (!status.is_ok()) {
    give_back({&run, 1});
    return status;
  }
  fresh_.set(run);
  return run;
}

// Places for a whole map, before pages take the last of the disk.
Status PageStore::set_map_places_aside(uint32_t leaf_count) {
  const uint32_t needed = leaf_count + map_pieces(leaf_count);
  if (set_aside_.count >= needed) return Status::ok();
  // With some on top, so that a growing map does not ask at each leaf.
  ROX_ASSIGN_OR_RETURN(const PageRun run, take_one_run(needed + needed / 4));
  give_back({&set_aside_, 1});
  set_aside_ = run;
  return Status::ok();
}

// Before a byte is written, so that a full disk is met while nothing has changed.
Status PageStore::reserve(std::span<const PageRun> runs) {
  for (const PageRun& run : runs) {
    uint32_t begin = run.begin;
    while (begin < run.end()) {
      uint32_t end = begin + 1;
      const bool is_reserved = free_.is_reserved(begin);
      while (end < run.end() && free_.is_reserved(end) == is_reserved) ++end;
      const PageRun part{begin, end - begin};
      if (!is_reserved) {
        ROX_RETURN_IF_ERROR(file_->allocate(uint64_t{part.begin} * page_bytes_,
                                            uint64_t{part.count} * page_bytes_));
        free_.set_reserved(part);
      }
      begin = end;
    }
  }
  return Status::ok();
}

Result<std::vector<PageRun>> PageStore::take_places(uint32_t count) {
  if (count == 0) return std::vector<PageRun>{};
  ROX_ASSIGN_OR_RETURN(std::vector<PageRun> runs, choose_places(count));
  const Status status = reserve(runs);
  if (!status.is_ok()) {
    give_back(runs);
    return status;
  }
  for (const PageRun& run : runs) fresh_.set(run);
  return runs;
}

void PageStore::give_back(std::span<const PageRun> runs) {
  for (const PageRun& run : runs) free_.free(run);
}

void PageStore::seal(std::span<const PageImage> pages) {
  for (size_t i = 0; i < pages.size(); ++i) {
    const PageImage& page = pages[i];
    ROX_CHECK(page.logical_page < kLogicalPagesMax);
    ROX_CHECK(i == 0 || pages[i - 1].logical_page < page.logical_page);
    seal_page({0, PageKind::kData, page.logical_page, page.log_sequence_number, page.record_bitmap},
              {page.bytes, page_bytes_});
  }
}

Status PageStore::write_run(std::span<const PageImage> pages, uint32_t physical_page) {
  uint64_t offset = uint64_t{physical_page} * page_bytes_;
  if (is_one_piece(pages, page_bytes_)) {
    return write_bytes(offset, {pages[0].bytes, pages.size() * page_bytes_});
  }
  if (staging_.size() == 0) staging_ = base::AlignedBuffer(kPageRunBytes);
  const size_t pages_max = kPageRunBytes / page_bytes_;
  while (!pages.empty()) {
    const size_t count = std::min(pages.size(), pages_max);
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(staging_.data() + i * page_bytes_, pages[i].bytes, page_bytes_);
    }
    ROX_RETURN_IF_ERROR(write_bytes(offset, staging_.span().first(count * page_bytes_)));
    offset += count * page_bytes_;
    pages = pages.subspan(count);
  }
  return Status::ok();
}

// Where pages are scattered, each write waits for the disk: several wait at once. A simulated file
// sees one after the other.
Status PageStore::write_runs(std::span<const PageImage> pages, std::span<const PageRun> runs) {
  std::vector<ScatteredWriter::Piece> pieces;
  for (const PageRun& run : runs) {
    const std::span<const PageImage> images = pages.first(run.count);
    pages = pages.subspan(run.count);
    const bool is_aligned = std::all_of(images.begin(), images.end(), is_for_direct_writing);
    if (run.count >= kLongRun || !is_aligned || file_->descriptor() < 0) {
      ROX_RETURN_IF_ERROR(write_run(images, run.begin));
      continue;
    }
    for (size_t i = 0; i < images.size(); ++i) {
      pieces.push_back({(run.begin + i) * uint64_t{page_bytes_}, {images[i].bytes, page_bytes_}});
    }
  }
  ROX_RETURN_IF_ERROR(scattered_writer_.write(*file_, pieces));
  const std::lock_guard lock(publish_mutex_);
  stats_.bytes_written += pieces.size() * uint64_t{page_bytes_};
  return Status::ok();
}

Status PageStore::write(std::span<const PageImage> pages, const BeforeSeen& before_seen) {
  const std::lock_guard lock(write_mutex_);
  ROX_RETURN_IF_ERROR(check_writable());
  if (pages.empty()) return Status::ok();
  seal(pages);
  reclaim();
  const uint32_t page_count =
      std::max(newest_->logical_page_count(), pages.back().logical_page + 1);
  Status status = set_map_places_aside(map_pieces(page_count));
  if (!status.is_ok()) return fail(status);
  auto runs = take_places(static_cast<uint32_t>(pages.size()));
  if (!runs.is_ok()) return fail(runs.status());
  status = write_runs(pages, *runs);
  if (!status.is_ok()) {
    give_back(*runs);
    return fail(status);
  }
  PageMapEditor editor(*newest_, live_versions_);
  const PageImage* page = pages.data();
  for (const PageRun& run : *runs) {
    for (uint32_t place = run.begin; place < run.end(); ++place, ++page) {
      retire(editor.set(page->logical_page, place), editor.version());
    }
  }
  {
    const std::lock_guard stats_lock(publish_mutex_);
    stats_.pages_written += pages.size();
  }
  publish(editor, before_seen);
  return Status::ok();
}

Status PageStore::remove(std::span<const uint32_t> logical_pages) {
  const std::lock_guard lock(write_mutex_);
  ROX_RETURN_IF_ERROR(check_writable());
  PageMapEditor editor(*newest_, live_versions_);
  for (const uint32_t logical_page : logical_pages) {
    if (newest_->physical_page(logical_page) == kNoPage) continue;
    retire(editor.set(logical_page, kNoPage), editor.version());
  }
  publish(editor);
  return Status::ok();
}

void PageStore::retire(uint32_t physical_page, uint64_t version) {
  if (physical_page == kNoPage) return;
  auto& waiting = fresh_.test(physical_page) ? retired_fresh_ : retired_named_;
  waiting.push_back({physical_page, version});
}

void PageStore::publish(PageMapEditor& editor, const BeforeSeen& before_seen) {
  const std::vector<uint32_t>& changed = editor.changed_leaves();
  for (const uint32_t leaf : changed) {
    if (leaf >= dirty_leaves_.size()) dirty_leaves_.resize(leaf + 1);
    dirty_leaves_.set(leaf);
  }
  PageSnapshot next = editor.finish();
  if (before_seen) before_seen(*next);
  const std::lock_guard lock(publish_mutex_);
  newest_.swap(next);
  stats_.used_pages = newest_->used_page_count();
  stats_.file_pages = free_.page_count();
  stats_.free_pages = free_.free_count();
  stats_.retired_pages = retired_fresh_.size() + retired_named_.size();
}

// Frees what waited for snapshots that are gone.
void PageStore::reclaim() {
  if (retired_fresh_.empty()) return;
  const uint64_t oldest = live_versions_->oldest(newest_->version());
  if (oldest == reclaimed_version_) return;
  reclaimed_version_ = oldest;
  std::erase_if(retired_fresh_, [&](const Retired& retired) {
    if (retired.version > oldest) return false;
    free_.free(retired.physical_page);
    return true;
  });
}

}  // namespace roxanne::storage
