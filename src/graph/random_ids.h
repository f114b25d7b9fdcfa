// Random choices that are the same on every machine: the standard library's distributions are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace roxanne::graph {

// SplitMix64 (Steele, Lea, Flood 2014).
class RandomBits {
 public:
  explicit RandomBits(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // In [0, bound).
  uint32_t below(uint32_t bound) {
    return static_cast<uint32_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

inline uint64_t mix_seeds(uint64_t seed, uint64_t number) {
  return RandomBits(seed ^ (number * 0x9e3779b97f4a7c15u)).next();
}

// `wanted` (at most `count`) different numbers below `count`, in random order.
std::vector<uint32_t> random_ids(uint32_t count, size_t wanted, uint64_t seed);

}  // namespace roxanne::graph
