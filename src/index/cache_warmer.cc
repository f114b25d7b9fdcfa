#include "index/cache_warmer.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/background.h"
#include "base/status_macros.h"
#include "storage/async_reader.h"

namespace roxanne::index {
namespace {

// Read in a call, and looked at: some milliseconds, so that whoever waits for the caller does not
// wait long.
constexpr uint32_t kPages = 256;
constexpr uint32_t kPagesLookedAt = 1u << 14;
// Few: reads of searches wait behind them.
constexpr size_t kDepth = 8;

}  // namespace

Result<uint32_t> warm_cache(DiskIndex& index, uint32_t first) {
  const storage::PageStore& pages = index.pages();
  PageCache& cache = index.cache();
  const size_t page_bytes = index.graph().layout.page_bytes;
  const storage::PageSnapshot snapshot = pages.snapshot();
  const uint32_t count = snapshot->logical_page_count();
  const uint32_t end = first + std::min(count - std::min(count, first), kPagesLookedAt);
  base::AlignedBuffer arena(kDepth * page_bytes);
  const auto reader = storage::make_async_reader({.depth = kDepth});
  std::array<uint32_t, kDepth> page_in{};  // by buffer
  const auto buffer = [&](size_t at) { return arena.span().subspan(at * page_bytes, page_bytes); };

  uint32_t page = first;
  uint32_t left = kPages;
  // Whether there was one more to read.
  const auto submit = [&](size_t at) -> Result<bool> {
    for (; left > 0 && page < end; ++page) {
      const uint32_t place = snapshot->physical_page(page);
      if (place == storage::kNoPage || cache.contains(place)) continue;
      --left;
      page_in[at] = page;
      ROX_RETURN_IF_ERROR(
          reader->submit(pages.direct_file(), pages.offset_of(*snapshot, page), buffer(at), at));
      ++page;
      return true;
    }
    return false;
  };
  for (size_t at = 0; at < kDepth; ++at) ROX_RETURN_IF_ERROR(submit(at).status());
  std::array<storage::AsyncReader::Completion, kDepth> completions;
  while (reader->in_flight() > 0) {
    ROX_ASSIGN_OR_RETURN(const size_t done, reader->wait_some(completions));
    for (size_t i = 0; i < done; ++i) {
      const auto& [at, status, bytes_read] = completions[i];
      const bool is_whole = status.is_ok() && bytes_read == page_bytes &&
                            pages.check_page(page_in[at], buffer(at)).is_ok();
      if (is_whole) {
        cache.offer(snapshot->physical_page(page_in[at]), buffer(at), PageCache::Reader::kChange);
      }
      ROX_RETURN_IF_ERROR(submit(at).status());
    }
    base::give_way();
  }
  return page < count ? page : 0;
}

}  // namespace roxanne::index
