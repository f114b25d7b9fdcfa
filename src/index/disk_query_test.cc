// One query by hand: what it asks for and answers does not depend on the order in which its pages
// come, and no page is asked for twice.
#include "index/disk_query.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "index/test_disk_index.h"
#include "storage/page_store.h"
#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

class DiskQueryTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(file_system_.create_directory("/db").is_ok());
    auto built = build_disk(file_system_, "/db", rows_, Metric::kL2);
    ASSERT_TRUE(built.is_ok()) << built.status().to_string();
    index_ = std::move(*built);
    auto pages =
        storage::PageStore::open(file_system_, disk_paths("/db").pages, {.read_only = true});
    ASSERT_TRUE(pages.is_ok());
    const size_t page_bytes = index_->graph().layout.page_bytes;
    pages_ = base::AlignedBuffer(index_->graph().shape.page_count * page_bytes);
    for (uint32_t page = 0; page < index_->graph().shape.page_count; ++page) {
      ASSERT_TRUE((*pages)
                      ->read_page(*(*pages)->snapshot(), page,
                                  pages_.span().subspan(page * page_bytes, page_bytes))
                      .is_ok());
    }
  }
  const std::byte* page(uint32_t number) const {
    return pages_.data() + size_t{number} * index_->graph().layout.page_bytes;
  }

  // What was asked for, round by round, and what came of it.
  struct Way {
    std::vector<std::vector<uint32_t>> rounds;
    std::vector<uint32_t> slots;
  };
  using Order = std::function<void(std::vector<uint32_t>&)>;
  Way go(DiskQuery& query, const DiskQuery::Request& request, const Order& order) const {
    Way way;
    std::set<uint32_t> seen;
    query.start(request);
    while (!query.wanted().empty()) {
      std::vector<uint32_t> wanted(query.wanted().begin(), query.wanted().end());
      EXPECT_LE(wanted.size(), DiskQuery::kPagesAtOnceMax);
      for (const uint32_t number : wanted) EXPECT_TRUE(seen.insert(number).second) << "twice";
      way.rounds.push_back(wanted);
      order(wanted);
      for (const uint32_t number : wanted) query.take(number, page(number));
      query.advance();
    }
    for (const DiskAnswer& answer : query.answers()) way.slots.push_back(answer.slot);
    return way;
  }

  storage::SimulatedFileSystem file_system_;
  const NamedRows rows_{make_test_rows(ScalarType::kU8, 6000, 24, 1)};
  const TestRows queries_ = make_test_rows(ScalarType::kU8, 60, 24, 2);
  std::unique_ptr<DiskIndex> index_;
  base::AlignedBuffer pages_;
};

TEST_F(DiskQueryTest, TheOrderOfPagesChangesNothing) {
  DiskQuery query(index_->graph());
  std::mt19937 random(1);
  const Order as_asked = [](std::vector<uint32_t>&) {};
  const Order at_random = [&](std::vector<uint32_t>& pages) {
    std::shuffle(pages.begin(), pages.end(), random);
  };
  for (size_t q = 0; q < queries_.rows; ++q) {
    SCOPED_TRACE(q);
    const DiskQuery::Request request{queries_.row(q).row(0), 10, 40 + q, nullptr};
    const Way way = go(query, request, as_asked);
    EXPECT_EQ(way.slots.size(), 10u);
    for (int round = 0; round < 3; ++round) {
      const Way other = go(query, request, at_random);
      ASSERT_EQ(other.rounds, way.rounds);
      ASSERT_EQ(other.slots, way.slots);
    }
  }
}

// Even where nothing is accepted, it ends.
TEST_F(DiskQueryTest, EndsWhereNoSlotIsAccepted) {
  DiskQuery query(index_->graph());
  size_t asked = 0;
  const std::function<bool(uint32_t)> none = [&](uint32_t) {
    ++asked;
    return false;
  };
  const Way way = go(query, {queries_.row(0).row(0), 10, 40, &none}, [](std::vector<uint32_t>&) {});
  EXPECT_TRUE(way.slots.empty());
  EXPECT_GT(asked, 1000u) << "it looked far";
}

TEST_F(DiskQueryTest, AllThatAreAskedForAreFound) {
  DiskQuery query(index_->graph());
  const Way way =
      go(query, {queries_.row(0).row(0), 6000, 6000, nullptr}, [](std::vector<uint32_t>&) {});
  EXPECT_EQ(way.slots.size(), 6000u);
}

}  // namespace
}  // namespace roxanne::index
