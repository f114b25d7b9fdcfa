// Power cuts: a script of changes, saves and checkpoints is cut off at each change that it makes to
// the disk. Codes found afterwards are those of the last checkpoint of the pages that returned, or
// of the one in flight.
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "index/test_kept_codes.h"
#include "storage/test_power_cuts.h"

namespace roxanne::index {
namespace {

using storage::PowerCutPolicy;
using storage::SimulatedFileSystem;
using storage::SimulatedRandom;

constexpr uint32_t kPages = 4;

// What the script has done, as far as it was told.
struct Progress {
  uint64_t durable = 0;                    // checkpoint
  std::map<uint64_t, uint64_t> digest_of;  // of each checkpoint, those in flight included
};

Status run_steps(KeptCodes& kept, SimulatedRandom& random, int step_count, Progress& progress) {
  for (int step = 0; step < step_count; ++step) {
    kept.changing.change(random);
    if (random.below(5) == 0) kept.changing.change_codebook(random);
    if (random.below(3) == 0) {  // a checkpoint that does not come to it
      ROX_RETURN_IF_ERROR(kept.keeper->save(kept.changing.graph()).status());
      continue;
    }
    progress.digest_of[kept.checkpoints + 1] = kept.changing.digest();
    ROX_RETURN_IF_ERROR(kept.checkpoint());
    progress.durable = kept.checkpoints;
  }
  return Status::ok();
}

class CodesScript final : public storage::PowerCutScript {
 public:
  Status run(SimulatedFileSystem& files, uint64_t seed) override {
    SimulatedRandom random(seed);
    ROX_RETURN_IF_ERROR(files.create_directory("/db"));
    ROX_RETURN_IF_ERROR(files.sync_directory("/"));
    ROX_ASSIGN_OR_RETURN(kept_,
                         KeptCodes::make(files, ChangingGraph::make(kPages, random), kWritable));
    progress_.digest_of[0] = kept_->changing.digest();
    return run_steps(*kept_, random, 8, progress_);
  }
  bool is_made() const override { return !progress_.digest_of.empty(); }
  Status open_to_read(SimulatedFileSystem& files) override {
    ROX_ASSIGN_OR_RETURN(kept_, KeptCodes::open(files, {}));
    return Status::ok();
  }
  Status open_to_write(SimulatedFileSystem& files) override {
    ROX_ASSIGN_OR_RETURN(kept_, KeptCodes::open(files, kWritable));
    return Status::ok();
  }
  void expect_right() override {
    ASSERT_GE(kept_->checkpoints, progress_.durable);
    ASSERT_LE(kept_->checkpoints, progress_.durable + 1);
    ASSERT_EQ(kept_->changing.digest(), progress_.digest_of[kept_->checkpoints]);
    progress_.durable = kept_->checkpoints;
  }
  Status go_on(uint64_t seed) override {
    SimulatedRandom random(seed);
    return run_steps(*kept_, random, 5, progress_);
  }
  void close() override { kept_.reset(); }
  uint64_t opening_changes_max() const override { return 10; }
  // One file of codes, its log at the most, and the pages.
  void expect_tidy(const SimulatedFileSystem& files) override {
    EXPECT_LE(files.files().size(), 3u);
  }

 private:
  std::optional<KeptCodes> kept_;
  Progress progress_;
};

TEST(CodesKeeperCrash, OnlyWhatWasSyncedSurvives) {
  storage::cut_at_each_change<CodesScript>(PowerCutPolicy::kDropAll, 8);
}

TEST(CodesKeeperCrash, AllThatWasWrittenSurvives) {
  storage::cut_at_each_change<CodesScript>(PowerCutPolicy::kKeepAll, 4);
}

TEST(CodesKeeperCrash, UnsyncedWritesSurviveTornAndInAnyOrder) {
  storage::cut_at_each_change<CodesScript>(PowerCutPolicy::kRandom, 40);
}

}  // namespace
}  // namespace roxanne::index
