// What a simulated power cut leaves of changes that were not synced.
#pragma once

#include <cstdint>

namespace roxanne::storage {

enum class PowerCutPolicy : uint8_t {
  kDropAll,  // only what was synced survives
  kKeepAll,  // everything survives
  kRandom,   // each unsynced write whole, not at all, or torn at sectors; each run of unsynced
             // changes of names up to some point
};

// splitmix64: the same numbers from one seed on every machine and standard library.
class SimulatedRandom {
 public:
  explicit SimulatedRandom(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t limit) { return next() % limit; }  // limit > 0
  bool coin() { return (next() & 1) != 0; }

 private:
  uint64_t state_;
};

}  // namespace roxanne::storage
