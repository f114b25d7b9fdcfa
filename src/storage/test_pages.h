// For tests of page stores: pages whose content follows from their number and a stamp, and a model
// of what a store should hold.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "storage/page_store.h"
#include "storage/power_cut.h"

namespace roxanne::storage {

// Logical page to the stamp it was last written with.
using PageModel = std::map<uint32_t, uint64_t>;

// Fills all but the header; the stamp becomes the page's log sequence number.
inline void fill_page(uint32_t logical_page, uint64_t stamp, std::span<std::byte> page) {
  SimulatedRandom random(stamp * 1'000'003 + logical_page);
  for (size_t i = kPageHeaderBytes; i < page.size(); i += sizeof(uint64_t)) {
    const uint64_t word = random.next();
    std::memcpy(page.data() + i, &word, sizeof word);
  }
}

// The pages of one write, in memory. With `gap` 0 they follow each other; else each is followed by
// so many bytes of nothing.
class TestPages {
 public:
  TestPages(const std::vector<uint32_t>& logical_pages, uint64_t stamp,
            size_t page_bytes = base::kPageBytes, size_t gap = 0)
      : buffer_(logical_pages.size() * (page_bytes + gap)) {
    for (size_t i = 0; i < logical_pages.size(); ++i) {
      std::byte* bytes = buffer_.data() + i * (page_bytes + gap);
      fill_page(logical_pages[i], stamp, {bytes, page_bytes});
      images_.push_back({logical_pages[i], stamp, stamp ^ logical_pages[i], bytes});
    }
  }
  std::span<const PageImage> images() const { return images_; }

 private:
  base::AlignedBuffer buffer_;
  std::vector<PageImage> images_;
};

inline Status write_pages(PageStore& store, const std::vector<uint32_t>& logical_pages,
                          uint64_t stamp) {
  return store.write(TestPages(logical_pages, stamp, store.page_bytes()).images());
}

// The page's stamp; an error where the store has one, or its bytes are not what the stamp says.
inline Result<uint64_t> read_stamp(const PageStore& store, const PageMap& map,
                                   uint32_t logical_page) {
  base::AlignedBuffer page(store.page_bytes());
  ROX_RETURN_IF_ERROR(store.read_page(map, logical_page, page.span()));
  const PageHeader header = load_page_header(page.data());
  base::AlignedBuffer expected(store.page_bytes());
  fill_page(logical_page, header.log_sequence_number, expected.span());
  const size_t content = store.page_bytes() - kPageHeaderBytes;
  if (std::memcmp(page.data() + kPageHeaderBytes, expected.data() + kPageHeaderBytes, content) !=
          0 ||
      header.record_bitmap != (header.log_sequence_number ^ logical_page)) {
    return Status::io_error("page " + std::to_string(logical_page) + ": wrong bytes");
  }
  return header.log_sequence_number;
}

inline Result<PageModel> read_model(const PageStore& store, const PageMap& map) {
  PageModel model;
  Status status;
  map.for_each_page([&](uint32_t logical_page, uint32_t) {
    const Result<uint64_t> stamp = read_stamp(store, map, logical_page);
    if (stamp.is_ok()) {
      model[logical_page] = *stamp;
    } else if (status.is_ok()) {
      status = stamp.status();
    }
  });
  if (!status.is_ok()) return status;
  return model;
}

inline void expect_holds(const PageStore& store, const PageModel& expected) {
  const Result<PageModel> model = read_model(store, *store.snapshot());
  ASSERT_TRUE(model.is_ok()) << model.status().to_string();
  ASSERT_EQ(*model, expected);
  EXPECT_EQ(store.snapshot()->used_page_count(), expected.size());
}

inline void expect_undamaged(const PageStore& store) {
  EXPECT_EQ(store.check([](const Status& status) { ADD_FAILURE() << status.to_string(); }), 0u);
}

inline std::vector<uint32_t> page_range(uint32_t begin, uint32_t end) {
  std::vector<uint32_t> pages;
  for (uint32_t page = begin; page < end; ++page) pages.push_back(page);
  return pages;
}

// Some of the pages below `end`, ascending, each with a chance of 1 in `share`.
inline std::vector<uint32_t> some_pages(uint32_t end, uint32_t share, SimulatedRandom& random) {
  std::vector<uint32_t> pages;
  for (uint32_t page = 0; page < end; ++page) {
    if (random.below(share) == 0) pages.push_back(page);
  }
  return pages;
}

}  // namespace roxanne::storage
