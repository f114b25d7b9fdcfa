#include "index/page_fetcher.h"

#include <array>
#include <numeric>

#include "base/status_macros.h"

namespace roxanne::index {
namespace {
constexpr size_t kDepth = 64;
}  // namespace

PageFetcher::PageFetcher(const DiskGraph& graph, const storage::PageStore& pages, PageCache& cache)
    : graph_(graph),
      pages_(pages),
      cache_(cache),
      arena_(kDepth * graph.layout.page_bytes),
      idle_buffers_(kDepth),
      number_in_(kDepth),
      reader_(storage::make_async_reader({.depth = kDepth})) {
  std::iota(idle_buffers_.begin(), idle_buffers_.end(), 0);
}

PageFetcher::~PageFetcher() = default;

std::span<std::byte> PageFetcher::buffer(size_t number) {
  return arena_.span().subspan(number * graph_.layout.page_bytes, graph_.layout.page_bytes);
}

Status PageFetcher::fetch(std::span<const uint32_t> numbers, PagesUnderWay& to) {
  const storage::PageSnapshot snapshot = pages_.snapshot();
  Status status;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (to.find(numbers[i]) != nullptr) continue;
    if (idle_buffers_.empty()) status = finish_one(numbers, *snapshot, to);
    if (!status.is_ok()) break;
    const std::span<std::byte> bytes = buffer(idle_buffers_.back());
    if (cache_.find(snapshot->physical_page(numbers[i]), bytes, PageCache::Reader::kChange)) {
      to.keep(numbers[i], bytes.data());
      ++cache_hits_;
      continue;
    }
    const size_t taken = idle_buffers_.back();
    idle_buffers_.pop_back();
    number_in_[taken] = i;
    ++reads_;
    status = reader_->submit(pages_.direct_file(), pages_.offset_of(*snapshot, numbers[i]), bytes,
                             taken);
    if (!status.is_ok()) break;
  }
  // Even after an error: buffers must come back.
  while (reader_->in_flight() > 0) {
    const Status finished = finish_one(numbers, *snapshot, to);
    if (status.is_ok()) status = finished;
  }
  return status;
}

// Waits for some reads, at least one.
Status PageFetcher::finish_one(std::span<const uint32_t> numbers, const storage::PageMap& snapshot,
                               PagesUnderWay& to) {
  std::array<storage::AsyncReader::Completion, kDepth> completions;
  ROX_ASSIGN_OR_RETURN(const size_t count, reader_->wait_some(completions));
  Status status;
  for (size_t i = 0; i < count; ++i) {
    const size_t taken = completions[i].tag;
    idle_buffers_.push_back(taken);
    const uint32_t page = numbers[number_in_[taken]];
    const std::span<std::byte> bytes = buffer(taken);
    Status read = completions[i].status;
    // A page whose bytes are wrong is read once more: it may have been the way, not the disk.
    if (read.is_ok() &&
        (completions[i].bytes_read != bytes.size() || !pages_.check_page(page, bytes).is_ok())) {
      read = pages_.read_page(snapshot, page, bytes);
    }
    if (read.is_ok()) {
      to.keep(page, bytes.data());
      cache_.offer(snapshot.physical_page(page), bytes, PageCache::Reader::kChange);
    } else if (status.is_ok()) {
      status = read.with_context(pages_.path() + ": page " + std::to_string(page));
    }
  }
  return status;
}

}  // namespace roxanne::index
