// For tests of a page store on a simulated file system.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "storage/page_store.h"
#include "storage/simulated_file_system.h"
#include "storage/test_pages.h"

namespace roxanne::storage {

class PageStoreTest : public testing::Test {
 protected:
  static constexpr const char* kPath = "/pages-000001.dat";

  std::unique_ptr<PageStore> make(uint32_t page_bytes = base::kPageBytes) {
    options_.page_bytes = page_bytes;
    auto store = PageStore::create(files_, kPath, options_);
    EXPECT_TRUE(store.is_ok()) << store.status().to_string();
    return std::move(*store);
  }
  std::unique_ptr<PageStore> open(bool read_only = false) {
    PageStoreOptions options = options_;
    options.read_only = read_only;
    auto store = PageStore::open(files_, kPath, options);
    EXPECT_TRUE(store.is_ok()) << store.status().to_string();
    return store.is_ok() ? std::move(*store) : nullptr;
  }
  static PageModel model_of(const std::vector<uint32_t>& pages, uint64_t stamp) {
    PageModel model;
    for (const uint32_t page : pages) model[page] = stamp;
    return model;
  }

  SimulatedFileSystem files_;
  PageStoreOptions options_;
};

}  // namespace roxanne::storage
