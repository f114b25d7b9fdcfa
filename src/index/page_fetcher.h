// Brings pages of a disk graph into memory, many reads in flight.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "index/page_cache.h"
#include "index/pages_under_way.h"
#include "roxanne/status.h"
#include "storage/async_reader.h"
#include "storage/page_store.h"

namespace roxanne::index {

// One thread's.
class PageFetcher {
 public:
  // All outlive it.
  PageFetcher(const DiskGraph& graph, const storage::PageStore& pages, PageCache& cache);
  ~PageFetcher();

  // Afterwards all of `numbers` are in `to`, as the newest snapshot has them. kIoError,
  // kCorruption.
  Status fetch(std::span<const uint32_t> numbers, PagesUnderWay& to);

  uint64_t reads() const { return reads_; }
  uint64_t cache_hits() const { return cache_hits_; }

 private:
  Status finish_one(std::span<const uint32_t> numbers, const storage::PageMap& snapshot,
                    PagesUnderWay& to);
  std::span<std::byte> buffer(size_t number);

  const DiskGraph& graph_;
  const storage::PageStore& pages_;
  PageCache& cache_;
  base::AlignedBuffer arena_;
  std::vector<size_t> idle_buffers_;
  std::vector<size_t> number_in_;                 // by buffer: index in what is fetched
  std::unique_ptr<storage::AsyncReader> reader_;  // after arena_
  uint64_t reads_ = 0;
  uint64_t cache_hits_ = 0;
};

}  // namespace roxanne::index
