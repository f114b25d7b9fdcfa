// A disk index that is changed in tests, with a model of what it should hold.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "index/disk_updater.h"
#include "index/test_disk_index.h"
#include "storage/simulated_file_system.h"
#include "storage/test_directory.h"

namespace roxanne::index {

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
    size_t asks = 0;                                // 0: none; else so many and a call hands over
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
    const Status status = apply(added, removed);
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
  size_t calls() const { return calls_; }
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
  // Call after call, where some leave what others do.
  Status apply(std::vector<NewNode> added, std::vector<uint32_t> removed) {
    do {
      ++calls_;
      asked_ = 0;
      ROX_RETURN_IF_ERROR(updater_->apply({added, removed}));
      std::erase_if(added, [&](const NewNode& one) { return index_->slots().contains(one.slot); });
      std::erase_if(removed, [&](uint32_t slot) { return !index_->slots().contains(slot); });
      if (shape_.asks == 0) break;
    } while (!added.empty() || !removed.empty());
    return Status::ok();
  }
  void make_updater() {
    const DiskUpdateOptions options{.thread_count = [this] { return shape_.threads; },
                                    .hands_over = [this] { return ++asked_ == shape_.asks; },
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
  size_t calls_ = 0;  // of apply()
  size_t asked_ = 0;  // in this one, whether it shall hand over
  storage::TestDirectory directory_;
  base::ThreadPool pool_{2};
  std::unique_ptr<DiskIndex> index_;
  std::unique_ptr<DiskUpdater> updater_;
};

}  // namespace roxanne::index
