// For tests of what survives power cuts: a script of changes runs again and again, cut off at each
// change that it makes to the disk. What is opened afterwards must be right; the script goes on
// from there, and is cut off again.
#pragma once

#include <gtest/gtest.h>

#include <concepts>
#include <cstdint>
#include <string>

#include "storage/power_cut.h"
#include "storage/simulated_file_system.h"
#include "storage/test_fault_places.h"

namespace roxanne::storage {

// Changes to one store, which it holds open, and what it knows to be durable.
class PowerCutScript {
 public:
  virtual ~PowerCutScript() = default;

  // Makes the store and changes it, up to the first step that fails.
  virtual Status run(SimulatedFileSystem& files, uint64_t seed) = 0;
  // Before, nobody names the files yet.
  virtual bool is_made() const = 0;
  virtual Status open_to_read(SimulatedFileSystem& files) = 0;
  virtual Status open_to_write(SimulatedFileSystem& files) = 0;
  // What is open is what the last checkpoint that returned left, or the one in flight; it is
  // durable from here on.
  virtual void expect_right() = 0;
  // Changes what is open, up to the first step that fails.
  virtual Status go_on(uint64_t seed) = 0;
  // Forgets what is open, as the end of a process does.
  virtual void close() = 0;
  // Changes to the disk that an opening may need.
  virtual uint64_t opening_changes_max() const = 0;
  // Once all is over, and what is there was opened for writing.
  virtual void expect_tidy(const SimulatedFileSystem&) {}
};

// Opens what a power cut left, works on, and is cut off again.
inline void expect_recovers(SimulatedFileSystem& files, uint64_t seed, PowerCutPolicy policy,
                            PowerCutScript& script) {
  SimulatedRandom random(seed);
  const auto expect_opened = [&](const Status& status) {
    ASSERT_TRUE(status.is_ok()) << status.to_string();
    script.expect_right();
  };
  for (int round = 0; round < 3; ++round) {
    files.power_cycle(random.next(), policy);
    // A reader first: it must do with what is there.
    expect_opened(script.open_to_read(files));
    if (testing::Test::HasFatalFailure()) return;
    script.close();
    // The first cut may hit the opening itself.
    files.set_crash_at(1 + random.below(round == 0 ? script.opening_changes_max() : 40));
    const Status opened = script.open_to_write(files);
    if (!files.has_crashed()) {
      expect_opened(opened);
      if (testing::Test::HasFatalFailure()) return;
      static_cast<void>(script.go_on(random.next()));
    }
    script.close();
  }
  files.power_cycle(random.next(), policy);
  expect_opened(script.open_to_write(files));
  script.expect_tidy(files);
}

// Script n runs with the seed n.
template <std::derived_from<PowerCutScript> Script>
void cut_at_each_change(PowerCutPolicy policy, uint64_t script_count) {
  for (uint64_t number = 1; number <= script_count; ++number) {
    uint64_t changes = 0;
    {
      SimulatedFileSystem files;
      Script script;
      const Status whole = script.run(files, number);
      ASSERT_TRUE(whole.is_ok()) << whole.to_string();
      changes = files.operation_count();
    }
    for (uint64_t cut = 1; cut <= changes + 1; cut += kPlacesApart) {
      SCOPED_TRACE("script " + std::to_string(number) + ", cut at " + std::to_string(cut));
      SimulatedFileSystem files(number * 1000 + cut);
      files.set_crash_at(cut);
      Script script;
      static_cast<void>(script.run(files, number));
      script.close();
      if (!script.is_made()) continue;
      expect_recovers(files, number * 7919 + cut, policy, script);
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace roxanne::storage
