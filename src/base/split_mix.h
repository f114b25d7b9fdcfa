// Random bits that are the same from one seed on every machine and with every standard library.
#pragma once

#include <cstdint>

namespace roxanne::base {

// Steele, Lea, Flood 2014. Each layer adds the draws that it needs.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

}  // namespace roxanne::base
