// A page store on a real disk, and threads that read while another writes.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "storage/async_reader.h"
#include "storage/page_store.h"
#include "storage/test_directory.h"
#include "storage/test_pages.h"

namespace roxanne::storage {
namespace {

// Threads read snapshots while one rewrites, removes and checkpoints: each sees one stamp a round.
TEST(PageStoreThreads, EachSnapshotIsOfOneMoment) {
  const TestDirectory directory;
  const std::string path = directory.path("pages-000001.dat");
  auto store = PageStore::create(posix_file_system(), path, {});
  ASSERT_TRUE(store.is_ok()) << store.status().to_string();
  const auto pages = page_range(0, 300);
  ASSERT_TRUE(write_pages(**store, pages, 1).is_ok());
  std::atomic<bool> done{false};
  std::atomic<uint64_t> reads{0};
  std::vector<std::thread> readers;
  for (uint64_t t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      SimulatedRandom random(t + 1);
      while (!done) {
        const PageSnapshot snapshot = (*store)->snapshot();
        uint64_t first_stamp = 0;
        for (int i = 0; i < 40; ++i) {
          const auto page = static_cast<uint32_t>(random.below(pages.size()));
          const auto stamp = read_stamp(**store, *snapshot, page);
          ASSERT_TRUE(stamp.is_ok()) << stamp.status().to_string();
          if (first_stamp == 0) first_stamp = *stamp;
          ASSERT_EQ(*stamp, first_stamp);
          ++reads;
        }
      }
    });
  }
  for (uint64_t stamp = 2; stamp < 200; ++stamp) {
    ASSERT_TRUE(write_pages(**store, pages, stamp).is_ok());
    ASSERT_TRUE(write_pages(**store, {1000 + static_cast<uint32_t>(stamp)}, stamp).is_ok());
    ASSERT_TRUE(
        (*store)->remove(std::vector<uint32_t>{999 + static_cast<uint32_t>(stamp)}).is_ok());
    if (stamp % 4 == 0) {
      ASSERT_TRUE((*store)->checkpoint({stamp, {}}).is_ok());
    }
    if (stamp % 50 == 0) expect_undamaged(**store);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(reads, 0u);
  EXPECT_LT((*store)->stats().file_pages, 300u * 20);
}

TEST(PageStoreThreads, PagesAreReadThroughAnAsyncReader) {
  const TestDirectory directory;
  const std::string path = directory.path("pages-000001.dat");
  auto store = PageStore::create(posix_file_system(), path, {});
  ASSERT_TRUE(store.is_ok());
  const auto pages = page_range(0, 64);
  ASSERT_TRUE(write_pages(**store, pages, 9).is_ok());
  const auto reader = make_async_reader({.depth = 64});
  const PageSnapshot snapshot = (*store)->snapshot();
  base::AlignedBuffer buffer(64 * 4096);
  for (const uint32_t page : pages) {
    ASSERT_TRUE(reader
                    ->submit((*store)->direct_file(), (*store)->offset_of(*snapshot, page),
                             buffer.span().subspan(page * 4096u, 4096), page)
                    .is_ok());
  }
  while (reader->in_flight() > 0) {
    const auto completion = reader->wait();
    ASSERT_TRUE(completion.is_ok());
    const auto page = static_cast<uint32_t>(completion->tag);
    EXPECT_EQ(completion->bytes_read, 4096u);
    EXPECT_TRUE((*store)->check_page(page, buffer.span().subspan(page * 4096u, 4096)).is_ok());
  }
}

}  // namespace
}  // namespace roxanne::storage
