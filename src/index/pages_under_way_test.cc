#include "index/pages_under_way.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

namespace roxanne::index {
namespace {

class PagesUnderWayTest : public testing::Test {
 protected:
  PagesUnderWayTest() {
    graph_.layout = NodePageLayout({.dim = 8, .type = ScalarType::kU8}, 4);
    graph_.page_cells.grow(kPages, 3);
    pages_.emplace(graph_);
  }
  std::vector<std::byte> bytes_of(uint32_t page) const {
    return std::vector<std::byte>(graph_.layout.page_bytes, std::byte(page % 251));
  }
  bool has(uint32_t page) {
    std::vector<std::byte> out(graph_.layout.page_bytes);
    if (!pages_->copy(page, out)) return false;
    EXPECT_EQ(out, bytes_of(page)) << page;
    EXPECT_NE(pages_->find(page), nullptr) << page;
    return true;
  }
  void show(uint32_t page, std::vector<uint32_t> hold = {}, std::vector<uint32_t> let_go = {}) {
    pages_->show(page, bytes_of(page).data(), hold, let_go);
  }

  static constexpr uint32_t kPages = 1000;
  DiskGraph graph_;
  std::optional<PagesUnderWay> pages_;
};

TEST_F(PagesUnderWayTest, WhatNobodyHoldsMakesRoom) {
  pages_->set_room(10);
  show(1, {1});
  for (uint32_t page = 2; page < 100; ++page) show(page);
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(50));
  for (uint32_t page = 91; page < 100; ++page) EXPECT_TRUE(has(page));
  EXPECT_EQ(pages_->held_count(), 1u);
  pages_->keep(95, bytes_of(95).data());
  show(100, {}, {1});
  for (uint32_t page = 101; page < 200; ++page) show(page);
  EXPECT_FALSE(has(1));
  EXPECT_TRUE(has(95));
}

TEST_F(PagesUnderWayTest, WhereAllAreHeldThereAreMore) {
  pages_->set_room(10);
  for (uint32_t page = 0; page < 30; ++page) show(page, {page});
  for (uint32_t page = 0; page < 30; ++page) EXPECT_TRUE(has(page));
  EXPECT_EQ(pages_->held_count(), 30u);
  pages_->clear();
  EXPECT_EQ(pages_->held_count(), 0u);
  EXPECT_FALSE(has(3));
}

// Against counts of who holds what.
TEST_F(PagesUnderWayTest, WhatIsHeldStays) {
  std::mt19937 random(1);
  pages_->set_room(64);
  std::map<uint32_t, int> holds;
  std::vector<uint32_t> held;
  for (int i = 0; i < 20'000; ++i) {
    const uint32_t page = random() % kPages;
    std::vector<uint32_t> hold, let_go;
    if (random() % 3 == 0) hold.push_back(page);
    while (!held.empty() && (held.size() > 60 || random() % 4 == 0)) {
      std::swap(held[random() % held.size()], held.back());
      let_go.push_back(held.back());
      held.pop_back();
    }
    show(page, hold, let_go);
    held.insert(held.end(), hold.begin(), hold.end());
    for (const uint32_t one : hold) ++holds[one];
    for (const uint32_t one : let_go) {
      if (--holds[one] == 0) holds.erase(one);
    }
    ASSERT_EQ(pages_->held_count(), holds.size());
    if (i % 100 != 0) continue;
    for (const auto& [one, count] : holds) ASSERT_TRUE(has(one));
  }
}

}  // namespace
}  // namespace roxanne::index
