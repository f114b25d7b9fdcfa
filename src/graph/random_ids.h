// Random choices that are the same on every machine: the standard library's distributions are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/split_mix.h"

namespace roxanne::graph {

class RandomBits : public base::SplitMix64 {
 public:
  using SplitMix64::SplitMix64;
  // In [0, bound).
  uint32_t below(uint32_t bound) {
    return static_cast<uint32_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
};

inline uint64_t mix_seeds(uint64_t seed, uint64_t number) {
  return RandomBits(seed ^ (number * 0x9e3779b97f4a7c15u)).next();
}

// `wanted` (at most `count`) different numbers below `count`, in random order.
std::vector<uint32_t> random_ids(uint32_t count, size_t wanted, uint64_t seed);

}  // namespace roxanne::graph
