// A disk graph that is changed: against a model of what it should hold.
#include "index/disk_updater.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "index/test_disk_index.h"
#include "storage/simulated_file_system.h"
#include "storage/test_directory.h"

namespace roxanne::index {
namespace {

// Some of a pool of rows are in the index, each in a slot; the others are not.
class ChangedIndex {
 public:
  struct Shape {
    ScalarType type = ScalarType::kU8;
    Metric metric = Metric::kL2;
    size_t rows = 4000;
    size_t first = 2000;
    size_t dim = 32;
    uint32_t seed = 1;
    size_t threads = 1;                             // that change it
    storage::SimulatedFileSystem* files = nullptr;  // null: real ones
  };

  explicit ChangedIndex(const Shape& shape)
      : shape_(shape),
        rows_(make_test_rows(shape.type, shape.rows, shape.dim, shape.seed)),
        random_(shape.seed) {
    for (uint32_t row = 0; row < shape.rows; ++row) outside_.push_back(row);
    std::shuffle(outside_.begin(), outside_.end(), random_);
    std::vector<std::byte> bytes;
    std::vector<uint32_t> slots;
    std::vector<uint64_t> tags;
    for (size_t i = 0; i < shape.first; ++i) {
      const uint32_t row = take_outside();
      slots.push_back(take_slot(row));
      tags.push_back(tag_of(row));
      bytes.insert(bytes.end(), rows_.view().row(row), rows_.view().row(row) + rows_.row_bytes());
    }
    if (shape.files != nullptr) ROX_CHECK(shape.files->create_directory(path()).is_ok());
    DiskBuildOptions build;
    build.scratch_prefix = path() + "/scratch-";
    const MatrixView view(shape.type, bytes.data(), slots.size(), shape.dim);
    auto built = build_disk_index(files(), disk_paths(path()), options(),
                                  RowsInMemory(view, slots, tags), pool_, build);
    ROX_CHECK(built.is_ok());
    index_ = *std::move(built);
    make_updater();
  }

  CollectionOptions options() const {
    return {.dim = shape_.dim, .type = shape_.type, .metric = shape_.metric};
  }
  static uint64_t tag_of(uint32_t row) { return row + 1'000'000; }

  Status change(size_t remove, size_t add) {
    std::vector<uint32_t> removed;
    std::vector<uint32_t> gone;
    for (size_t i = 0; i < remove && !row_of_.empty(); ++i) {
      auto at = row_of_.lower_bound(static_cast<uint32_t>(random_() % slot_end_));
      if (at == row_of_.end()) at = row_of_.begin();
      removed.push_back(at->first);
      gone.push_back(at->second);
      row_of_.erase(at);
    }
    std::vector<NewNode> added;
    for (size_t i = 0; i < add && !outside_.empty(); ++i) {
      const uint32_t row = take_outside();
      added.push_back({take_slot(row), tag_of(row), rows_.view().row(row)});
    }
    const Status status = updater_->apply({added, removed});
    free_slots_.insert(free_slots_.end(), removed.begin(), removed.end());
    std::shuffle(free_slots_.begin(), free_slots_.end(), random_);
    outside_.insert(outside_.begin(), gone.begin(), gone.end());
    return status;
  }

  // Every page, code and table says what the model says.
  void check() const {
    std::vector<uint32_t> slots;
    for (const auto& [slot, row] : row_of_) slots.push_back(slot);
    EXPECT_EQ(slots_of(index_->slots()), slots);
    EXPECT_EQ(index_->graph().shape.node_count, slots.size());
    index_->verify([&](uint32_t slot) { return rows_.view().row(row_of_.at(slot)); },
                   [&](uint32_t slot) { return tag_of(row_of_.at(slot)); },
                   [](const Status& status) {
                     ADD_FAILURE() << status.to_string();
                     return false;
                   });
    check_tables();
  }

  // Of exact answers among ten, how many are found.
  double recall(size_t search_list_size) {
    const TestRows queries = make_test_rows(shape_.type, 100, shape_.dim, shape_.seed + 99);
    std::vector<std::byte> bytes;
    std::vector<uint64_t> ids;
    for (const auto& [slot, row] : row_of_) {
      bytes.insert(bytes.end(), rows_.view().row(row), rows_.view().row(row) + rows_.row_bytes());
      ids.push_back(slot);
    }
    ExactScan scan(queries.view(), shape_.metric, 10, 1);
    scan.scan(0, {.rows = bytes.data(), .row_count = ids.size()});
    const auto truth = scan.finish();
    const auto outcomes = index_->search(queries.view(), index_->slots(), pool_,
                                         {.k = 10, .search_list_size = search_list_size});
    size_t hits = 0, wanted = 0;
    for (size_t q = 0; q < outcomes.size(); ++q) {
      EXPECT_TRUE(outcomes[q].status.is_ok()) << outcomes[q].status.to_string();
      EXPECT_EQ(outcomes[q].found.size(), truth[q].size());
      std::set<uint64_t> seen;
      for (const auto& found : outcomes[q].found) {
        EXPECT_TRUE(seen.insert(found.id).second) << "slot " << found.id << " twice";
        hits += found.distance <= truth[q].back().distance ? 1 : 0;
      }
      wanted += truth[q].size();
    }
    return wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
  }

  // Calls see(neighbours) for each node's list, as the pages have it.
  template <typename See>
  void for_each_list(const See& see) const {
    const NodePageLayout& layout = index_->graph().layout;
    const auto snapshot = index_->pages().snapshot();
    base::AlignedBuffer page(layout.page_bytes);
    for (uint32_t number = 0; number < snapshot->logical_page_count(); ++number) {
      if (snapshot->physical_page(number) == storage::kNoPage) continue;
      const Status read = index_->pages().read_page(*snapshot, number, page.span());
      EXPECT_TRUE(read.is_ok()) << read.to_string();
      const uint64_t taken = storage::load_page_header(page.data()).record_bitmap;
      for (uint32_t place = 0; place < layout.nodes; ++place) {
        if (((taken >> place) & 1) == 0) continue;
        see(std::span(layout.neighbours(page.data(), place), layout.max_degree));
      }
    }
  }

  // The share of edges that name a slot where no point is.
  double share_of_dead_edges() const {
    size_t dead = 0, all = 0;
    for_each_list([&](std::span<const uint32_t> neighbours) {
      for (const uint32_t slot : neighbours) {
        all += slot != kNoNode ? 1 : 0;
        dead += slot != kNoNode && !row_of_.contains(slot) ? 1 : 0;
      }
    });
    return static_cast<double>(dead) / static_cast<double>(all);
  }

  // The share of points that fewer than `edges` edges lead to: those that searches pass by.
  double share_led_to_by_fewer_than(size_t edges) const {
    std::map<uint32_t, size_t> led_to;
    for_each_list([&](std::span<const uint32_t> neighbours) {
      for (const uint32_t slot : neighbours) ++led_to[slot];
    });
    const auto few = std::ranges::count_if(
        row_of_, [&](const auto& point) { return led_to[point.first] < edges; });
    return static_cast<double>(few) / static_cast<double>(row_of_.size());
  }

  // As it was at the last checkpoint.
  Status reopen() {
    updater_.reset();
    index_.reset();
    ROX_ASSIGN_OR_RETURN(
        index_, DiskIndex::open(files(), disk_paths(path()), options(), {.read_only = false}));
    make_updater();
    return Status::ok();
  }

  DiskIndex& index() { return *index_; }
  DiskUpdater& updater() { return *updater_; }
  size_t size() const { return row_of_.size(); }
  size_t outside() const { return outside_.size(); }

  void remove_down_to(size_t count) {
    while (size() > count) {
      const Status status = change(std::min<size_t>(200, size() - count), 0);
      ASSERT_TRUE(status.is_ok()) << status.to_string();
    }
  }
  // Until there is nothing more to do; how often there was.
  size_t pack() {
    size_t steps = 0;
    for (;; ++steps) {
      const Result<bool> packed = updater_->pack_some();
      EXPECT_TRUE(packed.is_ok()) << packed.status().to_string();
      if (!packed.is_ok() || !*packed) return steps;
    }
  }
  std::vector<DiskOutcome> search(base::ThreadPool& pool) const {
    const TestRows queries = make_test_rows(shape_.type, 20, shape_.dim, shape_.seed + 98);
    return index_->search(queries.view(), index_->slots(), pool, {.k = 10, .search_list_size = 40});
  }

 private:
  storage::FileSystem& files() const {
    if (shape_.files != nullptr) return *shape_.files;
    return storage::posix_file_system();
  }
  std::string path() const { return shape_.files != nullptr ? "/db" : directory_.path(); }
  void make_updater() {
    const DiskUpdateOptions options{.thread_count = [this] { return shape_.threads; },
                                    .memory_bytes = shape_.seed == 6 ? kUpdateBytesLeast : 0};
    updater_ = std::make_unique<DiskUpdater>(*index_, pool_, options);
  }
  uint32_t take_outside() {
    const uint32_t row = outside_.back();
    outside_.pop_back();
    return row;
  }
  uint32_t take_slot(uint32_t row) {
    uint32_t slot = slot_end_;
    if (free_slots_.empty()) {
      slot_end_ += 1 + random_() % 2;  // some slots are never used
    } else {
      slot = free_slots_.back();
      free_slots_.pop_back();
    }
    row_of_[slot] = row;
    return slot;
  }

  void check_tables() const {
    const DiskGraph& graph = index_->graph();
    ASSERT_EQ(graph.cell_pages.size(), graph.cells.cell_count());
    ASSERT_EQ(graph.page_cells.size(), graph.shape.page_count);
    const auto snapshot = index_->pages().snapshot();
    size_t pages = 0, places = 0;
    for (uint32_t cell = 0; cell < graph.cell_pages.size(); ++cell) {
      for (const uint32_t page : graph.cell_pages[cell]) {
        ++pages;
        ASSERT_EQ(graph.page_cells[page], cell);
        ASSERT_NE(snapshot->physical_page(page), storage::kNoPage) << "page " << page;
      }
    }
    EXPECT_EQ(pages, snapshot->used_page_count());
    for (uint32_t node = 0; node < graph.place_count(); ++node) places += !graph.is_vacant(node);
    EXPECT_EQ(places, row_of_.size());
  }

  const Shape shape_;
  const TestRows rows_;
  std::mt19937 random_;
  std::vector<uint32_t> outside_;  // rows; the next one last
  std::map<uint32_t, uint32_t> row_of_;
  std::vector<uint32_t> free_slots_;
  uint32_t slot_end_ = 1;
  storage::TestDirectory directory_;
  base::ThreadPool pool_{2};
  std::unique_ptr<DiskIndex> index_;
  std::unique_ptr<DiskUpdater> updater_;
};

class DiskUpdaterTypeTest : public testing::TestWithParam<std::pair<ScalarType, Metric>> {};

TEST_P(DiskUpdaterTypeTest, HoldsWhatWasPutInAndFindsIt) {
  const auto [type, metric] = GetParam();
  ChangedIndex changed({.type = type, .metric = metric});
  const double before = changed.recall(40);
  changed.check();
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(changed.change(200, 350).is_ok());
    changed.check();
    if (round % 2 == 1) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    }
  }
  EXPECT_GE(changed.recall(40), before - 0.02);
  const Status reopened = changed.reopen();
  ASSERT_TRUE(reopened.is_ok()) << reopened.to_string();
  changed.check();
  EXPECT_GE(changed.recall(40), before - 0.02);
  ASSERT_TRUE(changed.change(200, 200).is_ok());
  changed.check();
  EXPECT_EQ(changed.updater().stats().added, 200u);
  EXPECT_EQ(changed.updater().stats().removed, 200u);
}

INSTANTIATE_TEST_SUITE_P(All, DiskUpdaterTypeTest,
                         testing::Values(std::pair(ScalarType::kU8, Metric::kL2),
                                         std::pair(ScalarType::kF32, Metric::kL2),
                                         std::pair(ScalarType::kF16, Metric::kCosine),
                                         std::pair(ScalarType::kI8, Metric::kInnerProduct)),
                         [](const auto& one) {
                           return std::string(scalar_type_name(one.param.first)) + "_" +
                                  std::string(metric_name(one.param.second));
                         });

TEST(DiskUpdaterTest, ManySmallChangesKeepItWhole) {
  ChangedIndex changed({.rows = 3000, .first = 500, .dim = 16, .seed = 5});
  std::mt19937 random(3);
  for (int round = 0; round < 120; ++round) {
    ASSERT_TRUE(changed.change(random() % 40, random() % 60).is_ok());
    if (round % 10 == 0) changed.check();
    if (changed.updater().is_checkpoint_due() || round % 37 == 0) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    }
  }
  changed.check();
  EXPECT_GE(changed.recall(40), 0.95);
}

// A page that is full is all the cell's room there.
TEST(DiskUpdaterTest, PagesOfOneNodeTakeWhoComes) {
  ChangedIndex changed({.type = ScalarType::kF32, .rows = 400, .first = 250, .dim = 2048});
  for (int round = 0; round < 3; ++round) ASSERT_TRUE(changed.change(20, 60).is_ok());
  changed.check();
  EXPECT_GE(changed.recall(40), 0.85);
}

// Rows are long, so that few points and pages are kept in little memory.
TEST(DiskUpdaterTest, LittleMemoryKeepsItWhole) {
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    ChangedIndex changed({.type = ScalarType::kF32,
                          .metric = metric,
                          .rows = 3000,
                          .first = 1500,
                          .dim = 384,
                          .seed = 6,
                          .threads = 2});
    const double before = changed.recall(40);
    for (int round = 0; round < 4; ++round) ASSERT_TRUE(changed.change(100, 250).is_ok());
    changed.check();
    EXPECT_GE(changed.recall(40), before - 0.03);
  }
}

// Several pieces a call: the next one's pages are read while this one changes some of them.
TEST(DiskUpdaterTest, PiecesThatOverlapKeepItWhole) {
  ChangedIndex changed({.rows = 6000, .first = 500, .dim = 16, .seed = 6, .threads = 3});
  for (int round = 0; round < 12; ++round) {
    ASSERT_TRUE(changed.change(150, 500).is_ok());
    changed.check();
    if (round % 5 == 4) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    }
  }
  EXPECT_GE(changed.recall(40), 0.95);
}

TEST(DiskUpdaterTest, GrowsFromFewToManyAndSplitsItsCells) {
  // Product codes and levels.
  for (const size_t dim : {24u, 100u}) {
    ChangedIndex changed({.rows = 8000, .first = 200, .dim = dim, .seed = 7});
    const quantize::CellCode& code = changed.index().graph().code;
    EXPECT_EQ(code.shape().kind == quantize::CellCodeKind::kLevels, dim == 100);
    const size_t cells = changed.index().graph().cells.cell_count();
    const std::vector<float> codebook(code.codebook().begin(), code.codebook().end());
    while (changed.outside() > 0) ASSERT_TRUE(changed.change(0, 500).is_ok());
    changed.check();
    while (changed.updater().has_work()) ASSERT_TRUE(changed.updater().work_some().is_ok());
    changed.check();
    EXPECT_FALSE(std::ranges::equal(codebook, code.codebook()));
    EXPECT_GT(changed.index().graph().cells.cell_count(), 4 * cells);
    EXPECT_GE(changed.recall(40), 0.95) << "dim " << dim;
  }
}

// Whoever comes later takes edges, but not from those that have few.
TEST(DiskUpdaterTest, PointsStayLedToWhileOthersCome) {
  ChangedIndex changed({.rows = 6000, .first = 600, .dim = 32, .seed = 8});
  while (changed.outside() > 0) ASSERT_TRUE(changed.change(0, 600).is_ok());
  EXPECT_LE(changed.share_led_to_by_fewer_than(8), 0.005);
}

// Where a page near a new point is full it goes to another of its cell, before pages are split:
// here of those that little memory has room for few are at hand.
TEST(DiskUpdaterTest, NewPointsGoToTheRoomThatThereIs) {
  ChangedIndex changed({.rows = 8000, .first = 6000, .dim = 32, .seed = 6});
  const double before = changed.index().graph().fullness();
  for (int round = 0; round < 4; ++round) ASSERT_TRUE(changed.change(120, 120).is_ok());
  EXPECT_GE(changed.index().graph().fullness(), before - 0.05);
}

// Others who come to their slots may lie anywhere.
TEST(DiskUpdaterTest, PagesThatAreWrittenLeadToNobodyWhoIsGone) {
  ChangedIndex changed({.rows = 7000, .first = 7000});
  ASSERT_TRUE(changed.change(700, 0).is_ok());
  EXPECT_LE(changed.share_of_dead_edges(), 0.001);
}

TEST(DiskUpdaterTest, ShrinksToNothingAndGrowsAgain) {
  ChangedIndex changed({.rows = 3000, .first = 3000, .dim = 16, .seed = 9});
  const uint64_t pages = changed.index().pages().snapshot()->used_page_count();
  while (changed.size() > 300) {
    const Status status = changed.change(300, 0);
    ASSERT_TRUE(status.is_ok()) << status.to_string() << changed.size();
    changed.check();
  }
  changed.check();
  EXPECT_LE(changed.index().pages().snapshot()->used_page_count(), pages / 4);
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  ASSERT_TRUE(changed.updater().give_idle_space_back().is_ok());
  EXPECT_LE(*changed.index().pages().bytes_on_disk(), (pages / 4 + 32) * 4096);
  changed.check();
  EXPECT_GE(changed.recall(40), 0.95);
  ASSERT_TRUE(changed.change(300, 0).is_ok());
  EXPECT_EQ(changed.size(), 0u);
  changed.check();
  ASSERT_TRUE(changed.change(0, 1000).is_ok());
  changed.check();
  EXPECT_GE(changed.recall(40), 0.9);
}

// Nine of ten points are gone, and with them the numbers of their pages.
TEST(DiskUpdaterTest, NumbersThatNoPageHasGo) {
  // Product codes and levels.
  for (const size_t dim : {16u, 100u}) {
    ChangedIndex changed({.rows = 3000, .first = 3000, .dim = dim, .seed = 9});
    EXPECT_EQ(changed.pack(), 0u);
    const DiskGraph& graph = changed.index().graph();
    const uint32_t pages = graph.shape.page_count;
    changed.remove_down_to(300);
    ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    const uint64_t codes_bytes = changed.index().codes_bytes_on_disk();
    const double recall = changed.recall(40);
    EXPECT_GT(changed.pack(), 2u);
    changed.check();
    EXPECT_EQ(graph.shape.page_count, graph.used_pages);
    EXPECT_LT(graph.shape.page_count, pages / 4);
    EXPECT_EQ(changed.index().memory().codes,
              uint64_t{graph.place_count()} * graph.code.code_bytes());
    EXPECT_EQ(changed.recall(40), recall);
    ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    EXPECT_LT(changed.index().codes_bytes_on_disk(), codes_bytes / 2);
    const Status reopened = changed.reopen();
    ASSERT_TRUE(reopened.is_ok()) << reopened.to_string();
    changed.check();
    EXPECT_EQ(changed.recall(40), recall);
    ASSERT_TRUE(changed.change(0, 2000).is_ok());
    changed.check();
    ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    ASSERT_TRUE(changed.reopen().is_ok());
    changed.check();
  }
}

// Holes cost nothing on this disk, but whoever copies the file copies them.
TEST(DiskUpdaterTest, TheFileEndsWhereThePagesDo) {
  ChangedIndex changed({.rows = 12000, .first = 12000, .dim = 16, .seed = 13});
  const DiskIndex& index = changed.index();
  changed.remove_down_to(1200);
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  ASSERT_TRUE(changed.updater().give_idle_space_back().is_ok());
  const uint32_t kept = index.graph().used_pages;
  EXPECT_GT(*index.pages().file_bytes(), 4 * kept * index.pages().page_bytes());
  EXPECT_GT(changed.pack(), 2u);
  changed.check();
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  ASSERT_TRUE(changed.updater().give_idle_space_back().is_ok());
  EXPECT_LE(*index.pages().file_bytes(), (kept + 32) * uint64_t{index.pages().page_bytes()});
  EXPECT_EQ(changed.pack(), 0u);
  ASSERT_TRUE(changed.reopen().is_ok());
  changed.check();
}

TEST(DiskUpdaterTest, ChangesMayComeBetweenPagesThatMove) {
  ChangedIndex changed({.rows = 4000, .first = 4000, .dim = 16, .seed = 10});
  changed.remove_down_to(1000);
  std::mt19937 random(5);
  for (int round = 0; round < 30; ++round) {
    for (size_t steps = random() % 4; steps > 0; --steps) {
      ASSERT_TRUE(changed.updater().pack_some().is_ok());
    }
    changed.check();
    ASSERT_TRUE(changed.change(random() % 60, random() % 50).is_ok());
    changed.check();
    if (round % 7 == 0) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
    }
    if (round % 11 == 0) {
      ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
      ASSERT_TRUE(changed.reopen().is_ok());
    }
  }
  changed.pack();
  changed.check();
  EXPECT_LE(changed.index().graph().used_pages, changed.index().graph().shape.page_count);
  EXPECT_GE(4 * changed.index().graph().used_pages, 3 * changed.index().graph().shape.page_count);
}

TEST(DiskUpdaterTest, SearchesGoOnWhilePagesMove) {
  ChangedIndex changed({.rows = 6000, .first = 6000, .dim = 16, .seed = 11});
  changed.index().resize_cache(1u << 20);
  changed.remove_down_to(1000);
  base::ThreadPool pool(1);
  const std::vector<DiskOutcome> before = changed.search(pool);
  std::atomic<bool> ends{false};
  size_t found = 0, same = 0;
  std::thread searching([&] {
    while (!ends) {
      const std::vector<DiskOutcome> outcomes = changed.search(pool);
      for (size_t q = 0; q < outcomes.size(); ++q) {
        ASSERT_TRUE(outcomes[q].status.is_ok()) << outcomes[q].status.to_string();
        ASSERT_EQ(outcomes[q].found.size(), 10u);
        found += 10;
        for (size_t i = 0; i < 10; ++i) {
          same += outcomes[q].found[i].id == before[q].found[i].id ? 1 : 0;
        }
      }
    }
  });
  EXPECT_GT(changed.pack(), 2u);
  ends = true;
  searching.join();
  EXPECT_GE(static_cast<double>(same), 0.9 * static_cast<double>(found));
  changed.check();
}

// Fewer codes need room for another file: where there is none they stay as many, and what was
// changed becomes durable.
TEST(DiskUpdaterTest, OnAFullDiskNumbersStay) {
  storage::SimulatedFileSystem files;
  ChangedIndex changed({.rows = 2000, .first = 2000, .dim = 16, .seed = 12, .files = &files});
  const uint32_t pages = changed.index().graph().shape.page_count;
  changed.remove_down_to(200);
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  EXPECT_GT(changed.pack(), 0u);
  EXPECT_LT(changed.index().graph().shape.page_count, pages);
  files.inject({.operation = storage::Operation::kWrite,
                .code = StatusCode::kDiskFull,
                .path_contains = "graph.codes"});
  const Status saved = changed.updater().checkpoint(0);
  ASSERT_TRUE(saved.is_ok()) << saved.to_string();
  EXPECT_EQ(changed.index().graph().shape.page_count, pages);
  changed.check();
  EXPECT_EQ(changed.pack(), 0u);
  ASSERT_TRUE(changed.reopen().is_ok());
  changed.check();
  EXPECT_EQ(changed.index().graph().shape.page_count, pages);
  EXPECT_GT(changed.pack(), 0u);
  EXPECT_EQ(changed.index().graph().shape.page_count, changed.index().graph().used_pages);
  ASSERT_TRUE(changed.updater().checkpoint(0).is_ok());
  ASSERT_TRUE(changed.change(50, 500).is_ok());
  changed.check();
}

}  // namespace
}  // namespace roxanne::index
