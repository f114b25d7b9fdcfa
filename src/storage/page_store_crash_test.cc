// Power cuts: a script of writes, removals and checkpoints is cut off at each change that it makes
// to the disk. What is found afterwards is what the last checkpoint that returned left, or the one
// in flight.
#include <gtest/gtest.h>

#include <optional>

#include "storage/page_store.h"
#include "storage/simulated_file_system.h"
#include "storage/test_pages.h"
#include "storage/test_power_cuts.h"

namespace roxanne::storage {
namespace {

constexpr const char* kPagesPath = "/pages-000001.dat";
constexpr uint32_t kPages = 60;
constexpr uint32_t kPageStep = 101;  // so that the pages have several leaves

struct Moment {
  PageModel pages;
  uint64_t log_sequence_number = 0;
};

// What the script has done, as far as it was told.
struct Progress {
  PageModel pages;
  Moment durable;
  std::optional<Moment> in_flight;
  uint64_t stamp = 0;
};

std::vector<uint32_t> spread(std::vector<uint32_t> pages) {
  for (uint32_t& page : pages) page *= kPageStep;
  return pages;
}

Status run_checkpoint(PageStore& store, Progress& progress) {
  progress.in_flight = Moment{progress.pages, ++progress.stamp};
  ROX_RETURN_IF_ERROR(store.checkpoint({progress.stamp, {progress.stamp * 3}}));
  progress.durable = *progress.in_flight;
  progress.in_flight.reset();
  return Status::ok();
}

// Some steps, up to the first that fails. A snapshot is held through some of them.
Status run_steps(PageStore& store, uint64_t seed, int step_count, Progress& progress) {
  SimulatedRandom random(seed);
  PageSnapshot pinned;
  for (int step = 0; step < step_count; ++step) {
    const auto share = static_cast<uint32_t>(1 + random.below(12));
    const auto pages = spread(some_pages(kPages, share, random));
    switch (random.below(4)) {
      case 0:
      case 1:
        ROX_RETURN_IF_ERROR(write_pages(store, pages, ++progress.stamp));
        for (const uint32_t page : pages) progress.pages[page] = progress.stamp;
        break;
      case 2:
        ROX_RETURN_IF_ERROR(store.remove(pages));
        for (const uint32_t page : pages) progress.pages.erase(page);
        break;
      case 3:
        ROX_RETURN_IF_ERROR(run_checkpoint(store, progress));
        break;
    }
    if (random.below(3) == 0) pinned = random.coin() ? store.snapshot() : nullptr;
  }
  return run_checkpoint(store, progress);
}

void expect_one_of(const PageStore& store, Progress& progress) {
  const auto found = read_model(store, *store.snapshot());
  ASSERT_TRUE(found.is_ok()) << found.status().to_string();
  const uint64_t number = store.last_checkpoint().log_sequence_number;
  if (progress.in_flight.has_value() && number == progress.in_flight->log_sequence_number) {
    progress.durable = *progress.in_flight;
  }
  ASSERT_EQ(number, progress.durable.log_sequence_number);
  ASSERT_EQ(*found, progress.durable.pages);
  EXPECT_EQ(store.last_checkpoint().owner_numbers[0], number * 3);
  expect_undamaged(store);
  progress.in_flight.reset();
  progress.pages = progress.durable.pages;
}

class PageScript final : public PowerCutScript {
 public:
  Status run(SimulatedFileSystem& files, uint64_t seed) override {
    ROX_ASSIGN_OR_RETURN(store_, PageStore::create(files, kPagesPath, {}));
    ROX_RETURN_IF_ERROR(files.sync_directory("/"));
    is_made_ = true;
    return run_steps(*store_, seed, 14, progress_);
  }
  bool is_made() const override { return is_made_; }
  Status open_to_read(SimulatedFileSystem& files) override {
    ROX_ASSIGN_OR_RETURN(store_, PageStore::open(files, kPagesPath, {.read_only = true}));
    return Status::ok();
  }
  Status open_to_write(SimulatedFileSystem& files) override {
    ROX_ASSIGN_OR_RETURN(store_, PageStore::open(files, kPagesPath, {}));
    return Status::ok();
  }
  void expect_right() override { expect_one_of(*store_, progress_); }
  Status go_on(uint64_t seed) override { return run_steps(*store_, seed, 6, progress_); }
  void close() override { store_.reset(); }
  uint64_t opening_changes_max() const override { return 6; }

 private:
  std::unique_ptr<PageStore> store_;
  bool is_made_ = false;
  Progress progress_;
};

TEST(PageStoreCrash, OnlyWhatWasSyncedSurvives) {
  cut_at_each_change<PageScript>(PowerCutPolicy::kDropAll, 4);
}

TEST(PageStoreCrash, AllThatWasWrittenSurvives) {
  cut_at_each_change<PageScript>(PowerCutPolicy::kKeepAll, 3);
}

TEST(PageStoreCrash, UnsyncedWritesSurviveTornAndInAnyOrder) {
  cut_at_each_change<PageScript>(PowerCutPolicy::kRandom, 12);
}

// The process dies with its header written but not synced, the next works on what the system still
// remembers, and then the power is cut.
TEST(PageStoreCrash, AHeaderThatWasNeverSyncedIsNotBuiltUpon) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedRandom random(seed);
    SimulatedFileSystem files(seed);
    auto store = PageStore::create(files, kPagesPath, {});
    ASSERT_TRUE(store.is_ok() && files.sync_directory("/").is_ok());
    Progress progress;
    ASSERT_TRUE(run_steps(**store, seed, 5, progress).is_ok());
    files.inject({.operation = Operation::kSync, .occurrence = 1 + random.below(6)});
    static_cast<void>(run_steps(**store, seed + 1, 12, progress));
    files.clear_faults();
    store = PageStore::open(files, kPagesPath, {});
    ASSERT_TRUE(store.is_ok()) << store.status().to_string();
    expect_one_of(**store, progress);
    files.set_crash_at(1 + random.below(60));
    static_cast<void>(run_steps(**store, seed + 2, 12, progress));
    files.power_cycle(seed, random.coin() ? PowerCutPolicy::kRandom : PowerCutPolicy::kDropAll);
    store = PageStore::open(files, kPagesPath, {});
    ASSERT_TRUE(store.is_ok()) << store.status().to_string();
    expect_one_of(**store, progress);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace roxanne::storage
