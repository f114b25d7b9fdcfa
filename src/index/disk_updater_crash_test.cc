// Power cuts: an index is changed, loses most of its points and is packed, and is cut off at each
// change that it makes to the disk. What is there afterwards is what the last checkpoint that
// returned left, or the one in flight.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/status_macros.h"
#include "index/disk_updater.h"
#include "index/test_disk_index.h"
#include "storage/test_power_cuts.h"

namespace roxanne::index {
namespace {

using storage::PowerCutPolicy;
using storage::SimulatedFileSystem;
using storage::SimulatedRandom;

// Long rows: one a page.
constexpr uint32_t kCutRows = 90;
constexpr size_t kCutDim = 2048;
constexpr uint32_t kFew = 15;

const TestRows& test_rows() {
  static const TestRows rows = make_test_rows(ScalarType::kU8, kCutRows, kCutDim, 51);
  return rows;
}

// A row's slot is its number.
class PackedScript final : public storage::PowerCutScript {
 public:
  Status run(SimulatedFileSystem& files, uint64_t seed) override {
    ROX_RETURN_IF_ERROR(files.create_directory("/db"));
    ROX_RETURN_IF_ERROR(files.sync_directory("/"));
    std::vector<uint32_t> slots;
    std::vector<uint64_t> tags;
    for (uint32_t row = 0; row < kCutRows; ++row) {
      slots.push_back(row);
      tags.push_back(*tag_of(row));
    }
    DiskBuildOptions build;
    build.scratch_prefix = "/db/scratch-";
    ROX_ASSIGN_OR_RETURN(
        index_, build_disk_index(files, disk_paths("/db"), options(),
                                 RowsInMemory(test_rows().view(), slots, tags), pool_, build));
    ROX_RETURN_IF_ERROR(files.sync_directory("/db"));
    slots_of_[0] = {slots.begin(), slots.end()};
    inside_ = slots_of_[0];
    start_writing();
    SimulatedRandom random(seed);
    ROX_RETURN_IF_ERROR(remove_down_to(kFew, random));
    ROX_RETURN_IF_ERROR(checkpoint());
    const uint32_t pages = index_->graph().shape.page_count;
    ROX_RETURN_IF_ERROR(pack(random));
    EXPECT_LT(index_->graph().shape.page_count, pages / 2);
    ROX_RETURN_IF_ERROR(add(10, random));
    ROX_RETURN_IF_ERROR(checkpoint());
    return updater_->give_idle_space_back();
  }
  bool is_made() const override { return !slots_of_.empty(); }
  Status open_to_read(SimulatedFileSystem& files) override {
    ROX_ASSIGN_OR_RETURN(index_, DiskIndex::open(files, disk_paths("/db"), options()));
    return Status::ok();
  }
  Status open_to_write(SimulatedFileSystem& files) override {
    ROX_ASSIGN_OR_RETURN(
        index_, DiskIndex::open(files, disk_paths("/db"), options(), {.read_only = false}));
    start_writing();
    return Status::ok();
  }
  void expect_right() override {
    const uint64_t found = index_->pages().last_checkpoint().log_sequence_number;
    ASSERT_GE(found, durable_);
    ASSERT_LE(found, durable_ + 1);
    durable_ = found;
    inside_ = slots_of_[found];
    ASSERT_EQ(slots_of(index_->slots()), std::vector<uint32_t>(inside_.begin(), inside_.end()));
    index_->verify([](uint32_t slot) { return test_rows().view().row(slot); }, tag_of,
                   [](const Status& status) {
                     ADD_FAILURE() << status.to_string();
                     return false;
                   });
  }
  Status go_on(uint64_t seed) override {
    SimulatedRandom random(seed);
    ROX_RETURN_IF_ERROR(pack(random));
    ROX_RETURN_IF_ERROR(add(8, random));
    ROX_RETURN_IF_ERROR(checkpoint());
    ROX_RETURN_IF_ERROR(remove_down_to(kFew - 5, random));
    ROX_RETURN_IF_ERROR(checkpoint());
    return pack(random);
  }
  void close() override {
    updater_.reset();
    index_.reset();
  }
  uint64_t opening_changes_max() const override { return 10; }

 private:
  static CollectionOptions options() {
    return {.dim = kCutDim, .type = ScalarType::kU8, .metric = Metric::kL2};
  }
  static std::optional<uint64_t> tag_of(uint32_t slot) { return slot + 7; }

  void start_writing() {
    updater_ = std::make_unique<DiskUpdater>(*index_, pool_, DiskUpdateOptions{});
  }

  Status remove_down_to(size_t count, SimulatedRandom& random) {
    while (inside_.size() > count) {
      std::vector<uint32_t> gone;
      while (inside_.size() > count && gone.size() < 10) {
        const auto one = std::next(inside_.begin(), static_cast<int>(random.below(inside_.size())));
        gone.push_back(*one);
        inside_.erase(one);
      }
      ROX_RETURN_IF_ERROR(updater_->apply({.added = {}, .removed = gone}));
    }
    return Status::ok();
  }
  Status add(size_t count, SimulatedRandom& random) {
    std::vector<NewNode> added;
    while (added.size() < count && inside_.size() < kCutRows) {
      const auto slot = static_cast<uint32_t>(random.below(kCutRows));
      if (!inside_.insert(slot).second) continue;
      added.push_back({slot, *tag_of(slot), test_rows().view().row(slot)});
    }
    return updater_->apply({.added = added, .removed = {}});
  }
  // Now and then with a checkpoint.
  Status pack(SimulatedRandom& random) {
    for (;;) {
      ROX_ASSIGN_OR_RETURN(const bool packed, updater_->pack_some());
      if (!packed) return checkpoint();
      if (random.below(3) == 0) ROX_RETURN_IF_ERROR(checkpoint());
    }
  }
  Status checkpoint() {
    slots_of_[durable_ + 1] = inside_;
    ROX_RETURN_IF_ERROR(updater_->checkpoint(durable_ + 1));
    ++durable_;
    return Status::ok();
  }

  base::ThreadPool pool_{0};
  std::unique_ptr<DiskIndex> index_;
  std::unique_ptr<DiskUpdater> updater_;
  std::set<uint32_t> inside_;
  std::map<uint64_t, std::set<uint32_t>> slots_of_;  // by checkpoint, those in flight included
  uint64_t durable_ = 0;
};

TEST(DiskUpdaterPowerCutTest, DroppedWritesLeaveACheckpoint) {
  storage::cut_at_each_change<PackedScript>(PowerCutPolicy::kDropAll, 1);
}

TEST(DiskUpdaterPowerCutTest, KeptWritesLeaveACheckpoint) {
  storage::cut_at_each_change<PackedScript>(PowerCutPolicy::kKeepAll, 1);
}

TEST(DiskUpdaterPowerCutTest, TornAndReorderedWritesLeaveACheckpoint) {
  storage::cut_at_each_change<PackedScript>(PowerCutPolicy::kRandom, 1);
}

}  // namespace
}  // namespace roxanne::index
