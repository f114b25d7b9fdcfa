// Power cuts: a script of changes, saves and checkpoints is cut off at each change that it makes to
// the disk. Codes found afterwards are those of the last checkpoint of the pages that returned, or
// of the one in flight.
#include <gtest/gtest.h>

#include <map>

#include "index/test_kept_codes.h"

namespace roxanne::index {
namespace {

using storage::PowerCutPolicy;
using storage::SimulatedFileSystem;
using storage::SimulatedRandom;

constexpr uint32_t kPages = 4;

// What the script has done, as far as it was told.
struct Progress {
  bool is_made = false;
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

void run_script(SimulatedFileSystem& files, uint64_t seed, Progress& progress) {
  SimulatedRandom random(seed);
  if (!files.create_directory("/db").is_ok() || !files.sync_directory("/").is_ok()) return;
  auto kept = KeptCodes::make(files, ChangingGraph::make(kPages, random), kWritable);
  if (!kept.is_ok()) return;
  progress.is_made = true;
  progress.digest_of[0] = kept->changing.digest();
  static_cast<void>(run_steps(*kept, random, 8, progress));
}

void expect_one_of(const KeptCodes& kept, Progress& progress) {
  ASSERT_GE(kept.checkpoints, progress.durable);
  ASSERT_LE(kept.checkpoints, progress.durable + 1);
  ASSERT_EQ(kept.changing.digest(), progress.digest_of[kept.checkpoints]);
}

// Opens what a power cut left, works on, and is cut off again.
void expect_recovers(SimulatedFileSystem& files, uint64_t seed, PowerCutPolicy policy,
                     Progress progress) {
  SimulatedRandom random(seed);
  for (int round = 0; round < 3; ++round) {
    files.power_cycle(random.next(), policy);
    {
      // A reader first: it must do with what is there.
      const auto reader = KeptCodes::open(files, {});
      ASSERT_TRUE(reader.is_ok()) << reader.status().to_string();
      expect_one_of(*reader, progress);
      if (testing::Test::HasFatalFailure()) return;
    }
    // The first cut may hit the opening itself.
    files.set_crash_at(1 + random.below(round == 0 ? 10 : 40));
    auto kept = KeptCodes::open(files, kWritable);
    if (!kept.is_ok()) {
      ASSERT_TRUE(files.has_crashed()) << kept.status().to_string();
      continue;
    }
    if (files.has_crashed()) continue;
    expect_one_of(*kept, progress);
    if (testing::Test::HasFatalFailure()) return;
    progress.durable = kept->checkpoints;
    static_cast<void>(run_steps(*kept, random, 5, progress));
  }
  files.power_cycle(random.next(), policy);
  const auto kept = KeptCodes::open(files, kWritable);
  ASSERT_TRUE(kept.is_ok()) << kept.status().to_string();
  expect_one_of(*kept, progress);
  // Nothing is left over: one file of codes, its log at the most, and the pages.
  EXPECT_LE(files.files().size(), 3u);
}

void cut_at_each_operation(PowerCutPolicy policy, uint64_t script_seeds) {
  for (uint64_t script = 1; script <= script_seeds; ++script) {
    uint64_t operations = 0;
    {
      SimulatedFileSystem files;
      Progress progress;
      run_script(files, script, progress);
      operations = files.operation_count();
    }
    for (uint64_t cut = 1; cut <= operations + 1; ++cut) {
      SCOPED_TRACE("script " + std::to_string(script) + ", cut at " + std::to_string(cut));
      SimulatedFileSystem files(script * 1000 + cut);
      files.set_crash_at(cut);
      Progress progress;
      run_script(files, script, progress);
      if (!progress.is_made) continue;  // nobody names the files yet
      expect_recovers(files, script * 7919 + cut, policy, progress);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(CodesKeeperCrash, OnlyWhatWasSyncedSurvives) {
  cut_at_each_operation(PowerCutPolicy::kDropAll, 8);
}

TEST(CodesKeeperCrash, AllThatWasWrittenSurvives) {
  cut_at_each_operation(PowerCutPolicy::kKeepAll, 4);
}

TEST(CodesKeeperCrash, UnsyncedWritesSurviveTornAndInAnyOrder) {
  cut_at_each_operation(PowerCutPolicy::kRandom, 40);
}

}  // namespace
}  // namespace roxanne::index
