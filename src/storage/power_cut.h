// What a simulated power cut leaves of changes that were not synced.
#pragma once

#include <cstdint>

#include "base/split_mix.h"

namespace roxanne::storage {

enum class PowerCutPolicy : uint8_t {
  kDropAll,  // only what was synced survives
  kKeepAll,  // everything survives
  kRandom,   // each unsynced write whole, not at all, or torn at sectors; each run of unsynced
             // changes of names up to some point
};

class SimulatedRandom : public base::SplitMix64 {
 public:
  using SplitMix64::SplitMix64;
  uint64_t below(uint64_t limit) { return next() % limit; }  // limit > 0
  bool coin() { return (next() & 1) != 0; }
};

}  // namespace roxanne::storage
