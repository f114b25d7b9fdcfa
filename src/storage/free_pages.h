// Which physical pages of a page file may be written, and where to write next.
#pragma once

#include <cstdint>
#include <vector>

namespace roxanne::storage {

// Physical pages that follow each other.
struct PageRun {
  uint32_t begin = 0;
  uint32_t count = 0;
  uint32_t end() const { return begin + count; }
};

// One bit a page.
class PageBits {
 public:
  uint32_t size() const { return size_; }
  void resize(uint32_t size);  // new bits are clear
  void clear();                // all of them
  bool test(uint32_t page) const { return (words_[page / 64] >> (page % 64) & 1) != 0; }
  void set(uint32_t page) { words_[page / 64] |= uint64_t{1} << (page % 64); }
  void reset(uint32_t page) { words_[page / 64] &= ~(uint64_t{1} << (page % 64)); }
  void set(PageRun run);
  void reset(PageRun run);
  // The first run of set bits within [from, end); count 0 where there is none.
  PageRun next_run(uint32_t from, uint32_t end) const;
  // One past the last clear bit; 0 where all are set.
  uint32_t clear_end() const;
  uint64_t memory_bytes() const { return words_.size() * sizeof(uint64_t); }

 private:
  // The first bit in [from, end) that is set, or with `flip` all ones, clear; `end` if none.
  uint32_t find(uint32_t from, uint32_t end, uint64_t flip) const;

  uint32_t size_ = 0;
  std::vector<uint64_t> words_;
};

// Free places of a file, lowest first: the file stays short and its end can be cut. Used by one
// thread at a time.
class FreePages {
 public:
  // Adds pages up to `page_count`, none of them free.
  void add_used(uint32_t page_count);
  // Adds pages up to `page_count`, free, with disk space reserved for them.
  void grow(uint32_t page_count);
  // Drops free pages at the end.
  void shrink(uint32_t page_count);
  void free(uint32_t page);
  void free(PageRun run);

  uint32_t page_count() const { return free_.size(); }
  uint32_t free_count() const { return free_count_; }
  bool is_free(uint32_t page) const { return free_.test(page); }
  const PageBits& free_bits() const { return free_; }
  // The free pages at the file's end.
  PageRun tail() const;

  // Takes the lowest run of `count` pages that lies within one chunk; count 0 where there is none.
  PageRun take_run(uint32_t count);
  // Takes the first `count` pages of tail().
  PageRun take_tail(uint32_t count);
  // Takes `count` of the free pages, at most free_count(), in long runs rather than short ones.
  // Ascending.
  std::vector<PageRun> take_scattered(uint32_t count);

  // Disk space: known to stand behind a page, known to be given back, or neither.
  bool is_reserved(uint32_t page) const { return reserved_.test(page); }
  void set_reserved(PageRun run);
  // The first run of free pages from `from` on whose space may not have been given back.
  PageRun next_unpunched(uint32_t from) const;
  void set_punched(PageRun run);

  uint64_t memory_bytes() const { return 3 * free_.memory_bytes(); }

  static constexpr uint32_t kChunkPages = 1024;

 private:
  static constexpr uint16_t kUnknown = 0xffff;
  uint32_t chunk_end(uint32_t chunk) const;
  uint32_t longest_in(uint32_t chunk);
  // The first run of at least `count` pages in a chunk that has one.
  PageRun find_in(uint32_t chunk, uint32_t count) const;
  void take(PageRun run);
  void forget(PageRun run);

  PageBits free_;
  PageBits reserved_;
  PageBits punched_;
  std::vector<uint16_t> longest_;  // free run of each chunk; kUnknown where it has to be counted
  uint32_t lowest_chunk_ = 0;      // none before it has a free page
  uint32_t free_count_ = 0;
};

}  // namespace roxanne::storage
