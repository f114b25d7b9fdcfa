#include "storage/free_pages.h"

#include <algorithm>
#include <bit>

#include "base/status_macros.h"

namespace roxanne::storage {

void PageBits::resize(uint32_t size) {
  // What a later growth adds must be clear.
  if (size < size_) reset({size, size_ - size});
  words_.resize((size_t{size} + 63) / 64);
  size_ = size;
}

void PageBits::clear() { std::fill(words_.begin(), words_.end(), 0); }

void PageBits::set(PageRun run) {
  for (uint32_t page = run.begin; page < run.end(); ++page) set(page);
}

void PageBits::reset(PageRun run) {
  for (uint32_t page = run.begin; page < run.end(); ++page) reset(page);
}

uint32_t PageBits::find(uint32_t from, uint32_t end, uint64_t flip) const {
  while (from < end) {
    const uint64_t rest = (words_[from / 64] ^ flip) >> (from % 64);
    if (rest != 0) {
      return std::min(end, from + static_cast<uint32_t>(std::countr_zero(rest)));
    }
    const uint32_t step = 64 - from % 64;
    if (end - from <= step) break;
    from += step;
  }
  return end;
}

PageRun PageBits::next_run(uint32_t from, uint32_t end) const {
  const uint32_t begin = find(from, end, 0);
  return {begin, find(begin, end, ~uint64_t{0}) - begin};
}

uint32_t PageBits::clear_end() const {
  uint32_t end = size_;
  while (end > 0) {
    const uint32_t bits = (end - 1) % 64 + 1;  // of the last word, that count
    const uint64_t clear = ~words_[(end - 1) / 64] << (64 - bits);
    if (clear != 0) return end - static_cast<uint32_t>(std::countl_zero(clear));
    end -= bits;
  }
  return 0;
}

void FreePages::add_used(uint32_t page_count) {
  free_.resize(page_count);
  reserved_.resize(page_count);
  punched_.resize(page_count);
  longest_.resize((size_t{page_count} + kChunkPages - 1) / kChunkPages, kUnknown);
}

void FreePages::grow(uint32_t page_count) {
  const PageRun added{free_.size(), page_count - free_.size()};
  add_used(page_count);
  reserved_.set(added);
  free(added);
}

void FreePages::shrink(uint32_t page_count) {
  const PageRun dropped{page_count, free_.size() - page_count};
  ROX_CHECK(dropped.count <= tail().count);
  forget(dropped);
  free_count_ -= dropped.count;
  add_used(page_count);
}

void FreePages::free(uint32_t page) { free({page, 1}); }

void FreePages::free(PageRun run) {
  if (run.count == 0) return;
  ROX_CHECK(run.end() <= free_.size() && free_.next_run(run.begin, run.end()).count == 0);
  free_.set(run);
  free_count_ += run.count;
  forget(run);
  lowest_chunk_ = std::min(lowest_chunk_, run.begin / kChunkPages);
}

void FreePages::take(PageRun run) {
  free_.reset(run);
  free_count_ -= run.count;
  forget(run);
}

void FreePages::forget(PageRun run) {
  if (run.count == 0) return;
  const auto first = longest_.begin() + run.begin / kChunkPages;
  const auto last = longest_.begin() + (run.end() - 1) / kChunkPages;
  std::fill(first, last + 1, kUnknown);
}

PageRun FreePages::tail() const {
  const uint32_t begin = free_.clear_end();
  return {begin, free_.size() - begin};
}

uint32_t FreePages::chunk_end(uint32_t chunk) const {
  return static_cast<uint32_t>(
      std::min<uint64_t>(free_.size(), (uint64_t{chunk} + 1) * kChunkPages));
}

uint32_t FreePages::longest_in(uint32_t chunk) {
  if (longest_[chunk] != kUnknown) return longest_[chunk];
  uint32_t longest = 0;
  const uint32_t end = chunk_end(chunk);
  for (PageRun run = free_.next_run(chunk * kChunkPages, end); run.count > 0;
       run = free_.next_run(run.end(), end)) {
    longest = std::max(longest, run.count);
  }
  longest_[chunk] = static_cast<uint16_t>(longest);
  return longest;
}

PageRun FreePages::find_in(uint32_t chunk, uint32_t count) const {
  const uint32_t end = chunk_end(chunk);
  PageRun run = free_.next_run(chunk * kChunkPages, end);
  while (run.count < count) run = free_.next_run(run.end(), end);
  return run;
}

PageRun FreePages::take_run(uint32_t count) {
  if (count > std::min(kChunkPages, free_count_)) return {};
  bool is_lowest = true;
  for (uint32_t chunk = lowest_chunk_; chunk < longest_.size(); ++chunk) {
    const uint32_t longest = longest_in(chunk);
    if (is_lowest) lowest_chunk_ = chunk;
    if (longest > 0) is_lowest = false;
    if (longest < count) continue;
    const PageRun run{find_in(chunk, count).begin, count};
    take(run);
    return run;
  }
  return {};
}

PageRun FreePages::take_tail(uint32_t count) {
  const PageRun run{tail().begin, count};
  ROX_CHECK(run.end() <= free_.size());
  take(run);
  return run;
}

std::vector<PageRun> FreePages::take_scattered(uint32_t count) {
  ROX_CHECK(count <= free_count_);
  std::vector<PageRun> runs;
  for (uint32_t least = std::bit_floor(std::min(count, kChunkPages)); least > 0; least /= 2) {
    for (uint32_t chunk = lowest_chunk_; chunk < longest_.size() && count > 0; ++chunk) {
      while (count > 0 && longest_in(chunk) >= least) {
        PageRun run = find_in(chunk, least);
        run.count = std::min(run.count, count);
        take(run);
        runs.push_back(run);
        count -= run.count;
      }
    }
  }
  std::sort(runs.begin(), runs.end(),
            [](const PageRun& a, const PageRun& b) { return a.begin < b.begin; });
  // Runs were cut at the ends of chunks.
  std::vector<PageRun> joined;
  for (const PageRun& run : runs) {
    if (!joined.empty() && joined.back().end() == run.begin) {
      joined.back().count += run.count;
    } else {
      joined.push_back(run);
    }
  }
  return joined;
}

void FreePages::set_reserved(PageRun run) {
  reserved_.set(run);
  punched_.reset(run);
}

PageRun FreePages::next_unpunched(uint32_t from) const {
  PageRun run = free_.next_run(from, free_.size());
  while (run.count > 0) {
    uint32_t begin = run.begin;
    while (begin < run.end() && punched_.test(begin)) ++begin;
    uint32_t end = begin;
    while (end < run.end() && !punched_.test(end)) ++end;
    if (end > begin) return {begin, end - begin};
    run = free_.next_run(run.end(), free_.size());
  }
  return {};
}

void FreePages::set_punched(PageRun run) {
  punched_.set(run);
  reserved_.reset(run);
}

}  // namespace roxanne::storage
