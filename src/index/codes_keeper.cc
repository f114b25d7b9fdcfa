#include "index/codes_keeper.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"

namespace roxanne::index {
namespace {

// Of a checkpoint's owner numbers.
constexpr size_t kGenerationAt = 0;
constexpr size_t kLogBytesAt = 1;
constexpr size_t kChecksumAt = 2;  // CodesLogEnd::checksum; 0 where only a build has been there

// A log that is longer than half of the file of codes takes more time to read than it saves writes.
constexpr uint64_t kLogShare = 2;
constexpr uint64_t kLogBytesLeast = 1u << 20;
// At rest one longer than this goes, where to write the codes takes about a second at the most.
constexpr uint64_t kLogShareAtRest = 8;
constexpr uint64_t kLogBytesAtRest = 256u << 10;
constexpr uint64_t kCodesBytesAtRest = 1u << 30;
// A log's pages are gathered so many at a time, a megabyte of their slots, in so many passes over
// all slots at the most.
constexpr size_t kPagesAtOnce = 16384;
constexpr size_t kPassesMost = 8;

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status missing(const std::string& path) { return Status::corruption(path + ": is missing"); }

// What the checkpoint names of the log.
Result<CodesLogEnd> replay(storage::FileSystem& file_system, const std::string& path,
                           uint64_t bytes, DiskCodes& codes) {
  if (bytes == 0) return CodesLogEnd{0, 0, codes.checksum};
  auto file = file_system.open(path, storage::OpenMode::kRead);
  if (file.status().code() == StatusCode::kNotFound) return missing(path);
  if (!file.is_ok()) return file.status();
  return replay_codes_log(**file, path, bytes, codes);
}

}  // namespace

std::vector<uint32_t> CodesKeeper::NumberList::sorted() const {
  std::vector<uint32_t> sorted = numbers_;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

void CodesKeeper::NumberList::clear() {
  for (const uint32_t number : numbers_) is_in_[number] = false;
  numbers_.clear();
}

CodesKeeper::Numbers CodesKeeper::Numbers::of(const DiskGraph& graph) {
  const DiskShape& shape = graph.shape;
  return {shape.page_count,
          shape.cell_count,
          shape.group_count,
          shape.node_count,
          static_cast<uint32_t>(graph.node_of_slot.size()),
          graph.list_sizes,
          graph.error};
}

bool CodesKeeper::Numbers::operator==(const Numbers& other) const {
  return page_count == other.page_count && cell_count == other.cell_count &&
         group_count == other.group_count && node_count == other.node_count &&
         slot_end == other.slot_end && list_sizes.at_small_k == other.list_sizes.at_small_k &&
         list_sizes.at_large_k == other.list_sizes.at_large_k && error.bias == other.error.bias &&
         error.spread == other.error.spread;
}

CodesKeeper::CodesKeeper(storage::FileSystem& file_system, const DiskPaths& paths,
                         const DiskGraph& graph, const WrittenCodes& written,
                         const CodesOpenOptions& open_options)
    : file_system_(file_system),
      paths_(paths),
      options_(open_options),
      codes_bytes_(written.file_bytes),
      log_{0, 0, written.checksum},
      saved_(Numbers::of(graph)) {
  count_bytes(0);
}

Result<CodesKeeper::Named> CodesKeeper::named_by(const storage::CheckpointRecord& checkpoint) {
  const OwnerNumbers& numbers = checkpoint.owner_numbers;
  if (numbers[kGenerationAt] > std::numeric_limits<uint32_t>::max()) {
    return Status::corruption("names no generation of codes that there can be");
  }
  return Named{static_cast<uint32_t>(numbers[kGenerationAt]), numbers[kLogBytesAt]};
}

Result<CodesKeeper::Opened> CodesKeeper::open(storage::FileSystem& file_system,
                                              const DiskPaths& paths,
                                              const CollectionOptions& options,
                                              const storage::CheckpointRecord& checkpoint,
                                              const CodesOpenOptions& open_options) {
  const OwnerNumbers& numbers = checkpoint.owner_numbers;
  const Result<Named> named = named_by(checkpoint);
  if (!named.is_ok()) return named.status().with_context(paths.pages);
  const uint32_t generation = named->generation;
  const std::string path = paths.codes_of(generation);
  auto loaded = load_disk_codes(file_system, path, options);
  if (loaded.status().code() == StatusCode::kNotFound) return missing(path);
  if (!loaded.is_ok()) return loaded.status();
  DiskCodes codes = *std::move(loaded);
  if (codes.generation != generation) {
    return Status::corruption(path + ": header: of generation " + std::to_string(codes.generation));
  }
  const WrittenCodes written{codes.file_bytes, codes.checksum};
  const std::string log_path = paths.log_of(generation);
  ROX_ASSIGN_OR_RETURN(const CodesLogEnd end,
                       replay(file_system, log_path, named->log_bytes, codes));
  if (numbers[kChecksumAt] != 0 && numbers[kChecksumAt] != end.checksum) {
    return Status::corruption((end.bytes > 0 ? log_path : path) + ": not what " + paths.pages +
                              " was checkpointed with");
  }
  Opened opened;
  ROX_ASSIGN_OR_RETURN(opened.graph,
                       make_disk_graph(std::move(codes), end.bytes > 0 ? log_path : path));
  opened.keeper =
      std::make_unique<CodesKeeper>(file_system, paths, *opened.graph, written, open_options);
  opened.keeper->generation_ = generation;
  opened.keeper->log_ = end;
  if (!open_options.read_only) ROX_RETURN_IF_ERROR(opened.keeper->start_writing());
  opened.keeper->count_bytes(0);
  return opened;
}

// Drops what no checkpoint has ever named: a save that was not followed by one.
Status CodesKeeper::start_writing() {
  ROX_RETURN_IF_ERROR(find_stale_files());
  if (!options_.is_unread_elsewhere || options_.is_unread_elsewhere()) remove_stale_files();
  if (log_.bytes == 0) return Status::ok();
  ROX_ASSIGN_OR_RETURN(
      log_file_, file_system_.open(paths_.log_of(generation_), storage::OpenMode::kReadWrite));
  ROX_ASSIGN_OR_RETURN(const uint64_t size, log_file_->size());
  return size > log_.bytes ? log_file_->truncate(log_.bytes) : Status::ok();
}

Status CodesKeeper::find_stale_files() {
  ROX_ASSIGN_OR_RETURN(const auto names, file_system_.list(folder_of(paths_.codes)));
  const std::string prefix = paths_.codes.substr(0, paths_.codes.rfind('/') + 1);
  for (const std::string& name : names) {
    const std::string path = prefix + name;
    const auto generation = paths_.generation_of(path);
    if (!generation.has_value()) continue;
    if (*generation < generation_) {
      ROX_ASSIGN_OR_RETURN(const uint64_t bytes, file_system_.file_size(path));
      stale_.push_back({path, bytes});
    } else if (*generation > generation_ ||
               (log_.bytes == 0 && path == paths_.log_of(generation_))) {
      ROX_RETURN_IF_ERROR(file_system_.remove(path));
    }
  }
  return Status::ok();
}

// One that cannot be removed only takes up space; it is tried again.
void CodesKeeper::remove_stale_files() {
  std::erase_if(stale_, [&](const StaleFile& file) {
    const Status status = file_system_.remove(file.path);
    return status.is_ok() || status.code() == StatusCode::kNotFound;
  });
  count_bytes(0);
}

void CodesKeeper::count_bytes(uint64_t written) {
  uint64_t bytes = codes_bytes_ + log_.bytes;
  for (const StaleFile& file : stale_) bytes += file.bytes;
  bytes_on_disk_ = bytes;
  bytes_written_ += written;
}

CodesKeeper::OwnerNumbers CodesKeeper::owner_numbers() const {
  OwnerNumbers numbers = {};
  numbers[kGenerationAt] = generation_;
  numbers[kLogBytesAt] = log_.bytes;
  numbers[kChecksumAt] = log_.checksum;
  return numbers;
}

Status CodesKeeper::check_writable() const {
  if (options_.read_only) return Status::read_only(paths_.codes + ": is open for reading only");
  return refusal_;
}

// Keeps D6. A full disk is no failure: nothing that anybody names was touched.
Status CodesKeeper::fail(Status status) {
  if (status.code() == StatusCode::kDiskFull) return status;
  refusal_ = Status::read_only(paths_.codes +
                               ": writes are refused since one failed: " + status.to_string());
  return status;
}

void CodesKeeper::note_new(const DiskGraph& graph) {
  ROX_CHECK(graph.shape.cell_count >= saved_.cell_count);
  ROX_ASSERT(graph.shape.cell_count == graph.cells.cell_count());
  for (uint32_t page = saved_.page_count; page < graph.shape.page_count; ++page) note_page(page);
  for (uint32_t cell = saved_.cell_count; cell < graph.shape.cell_count; ++cell) note_cell(cell);
}

bool CodesKeeper::is_log_full(const DiskGraph& graph) const {
  return log_.bytes + codes_log_bytes(graph, cells_.size(), pages_.size()) >
         std::max(kLogBytesLeast, codes_bytes_ / kLogShare);
}

bool CodesKeeper::is_log_long() const {
  return log_.bytes >
             std::max({kLogBytesAtRest, codes_bytes_ / kLogShareAtRest, log_bytes_kept_}) &&
         codes_bytes_ <= kCodesBytesAtRest;
}

Result<CodesKeeper::OwnerNumbers> CodesKeeper::save(const DiskGraph& graph) {
  ROX_RETURN_IF_ERROR(check_writable());
  note_new(graph);
  const Numbers numbers = Numbers::of(graph);
  const bool shortens_log = std::exchange(shortens_log_, false);
  const bool is_same =
      !is_all_noted_ && pages_.size() == 0 && cells_.size() == 0 && numbers == saved_;
  if (is_same && !shortens_log) return owner_numbers();
  if (!has_finite_numbers(graph)) {
    return Status::unsupported("vectors are too large for a graph on disk");
  }
  const bool needs_codes = is_all_noted_ || numbers.group_count != saved_.group_count ||
                           numbers.page_count < saved_.page_count;
  const bool writes_codes = needs_codes || shortens_log || is_log_full(graph);
  Status status = writes_codes ? write_codes(graph) : append(graph);
  // A longer log may well find room where another file of codes does not.
  if (status.code() == StatusCode::kDiskFull && writes_codes && !needs_codes) {
    status = is_same ? Status::ok() : append(graph);
    log_bytes_kept_ = log_.bytes;
  }
  if (!status.is_ok()) return fail(status);
  saved_ = numbers;
  pages_.clear();
  cells_.clear();
  is_all_noted_ = false;
  return owner_numbers();
}

Status CodesKeeper::write_codes(const DiskGraph& graph) {
  if (generation_ == std::numeric_limits<uint32_t>::max()) {
    return Status::unsupported(paths_.codes + ": no number is left for another file of codes");
  }
  const uint32_t generation = generation_ + 1;
  const std::string path = paths_.codes_of(generation);
  const auto written = write_disk_codes(file_system_, path, graph, generation);
  if (!written.is_ok()) {
    (void)file_system_.remove(path);  // it takes up space, where it is there
    return written.status();
  }
  ROX_RETURN_IF_ERROR(sync_name());
  stale_.push_back({paths_.codes_of(generation_), codes_bytes_});
  if (log_.bytes > 0) stale_.push_back({paths_.log_of(generation_), log_.bytes});
  generation_ = generation;
  codes_bytes_ = written->file_bytes;
  log_ = {0, 0, written->checksum};
  log_bytes_kept_ = 0;
  log_file_.reset();
  count_bytes(written->file_bytes);
  return Status::ok();
}

// A file's name is made durable before a checkpoint names it. Keeps D2.
Status CodesKeeper::sync_name() {
  const Status status = file_system_.sync_directory(folder_of(paths_.codes));
  if (status.code() == StatusCode::kDiskFull) return Status::io_error(status.message());
  return status;
}

Status CodesKeeper::append(const DiskGraph& graph) {
  const bool is_first = log_.bytes == 0;
  if (is_first) {
    ROX_ASSIGN_OR_RETURN(log_file_,
                         file_system_.open(paths_.log_of(generation_), storage::OpenMode::kCreate));
  }
  CodesLogWriter writer(*log_file_, graph, generation_, log_);
  Status status = append_records(graph, writer);
  if (status.code() == StatusCode::kDiskFull) {
    // What was written takes up space, and is nobody's.
    (void)log_file_->truncate(log_.bytes);
    if (is_first) (void)file_system_.remove(paths_.log_of(generation_));
    return status;
  }
  ROX_RETURN_IF_ERROR(status);
  status = log_file_->sync();
  // A sync that meets a full disk has lost what was written as any other that fails.
  if (status.code() == StatusCode::kDiskFull) return Status::io_error(status.message());
  ROX_RETURN_IF_ERROR(status);
  if (is_first) ROX_RETURN_IF_ERROR(sync_name());
  const uint64_t written = writer.end().bytes - log_.bytes;
  log_ = writer.end();
  count_bytes(written);
  return Status::ok();
}

Status CodesKeeper::append_records(const DiskGraph& graph, CodesLogWriter& writer) const {
  for (const uint32_t cell : cells_.sorted()) ROX_RETURN_IF_ERROR(writer.add_cell(cell));
  std::vector<uint32_t> pages = pages_.sorted();
  // There may have been more in the meantime.
  std::erase_if(pages, [&](uint32_t page) { return page >= graph.shape.page_count; });
  const size_t nodes = graph.layout.nodes;
  const size_t at_once = std::max(kPagesAtOnce, pages.size() / kPassesMost + 1);
  for (size_t first = 0; first < pages.size(); first += at_once) {
    const auto some = std::span(pages).subspan(first, std::min(at_once, pages.size() - first));
    const std::vector<uint32_t> slots = slots_in(graph, some);
    for (size_t i = 0; i < some.size(); ++i) {
      ROX_RETURN_IF_ERROR(writer.add_page(some[i], {slots.data() + i * nodes, nodes}));
    }
  }
  return writer.finish();
}

// Of pages that ascend. Memory has no table from places to slots: one pass over that from slots to
// places.
std::vector<uint32_t> CodesKeeper::slots_in(const DiskGraph& graph,
                                            std::span<const uint32_t> pages) const {
  const uint32_t nodes = graph.layout.nodes;
  std::vector<uint32_t> slots(pages.size() * nodes, kNoNode);
  for (uint32_t slot = 0; slot < graph.node_of_slot.size(); ++slot) {
    const uint32_t node = graph.node_of_slot[slot];
    const uint32_t page = node / nodes;
    if (node == kNoNode || page < pages.front() || page > pages.back()) continue;
    if (!pages_.contains(page)) continue;
    const auto at = std::lower_bound(pages.begin(), pages.end(), page) - pages.begin();
    slots[static_cast<size_t>(at) * nodes + node % nodes] = slot;
  }
  return slots;
}

void CodesKeeper::adopt() {
  if (options_.is_unread_elsewhere && !options_.is_unread_elsewhere()) return;
  remove_stale_files();
}

}  // namespace roxanne::index
