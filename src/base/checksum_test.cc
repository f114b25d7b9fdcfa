#include "base/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

namespace roxanne::base {
namespace {

TEST(Checksum64Test, OfPartsIsThatOfTheWhole) {
  std::mt19937 random(7);
  for (const size_t size : {0, 1, 16, 240, 241, 1024, 100'000}) {
    std::vector<unsigned char> bytes(size);
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random());
    for (const uint64_t seed : {uint64_t{0}, uint64_t{9}, UINT64_MAX}) {
      Checksum64 sum(seed);
      for (size_t at = 0; at < size;) {
        const size_t part = std::min<size_t>(size - at, random() % 1000);
        sum.add(bytes.data() + at, part);
        at += part;
      }
      EXPECT_EQ(sum.value(), checksum64(bytes.data(), size, seed)) << size << " bytes";
    }
  }
}

TEST(Checksum64Test, DependsOnEachByteAndTheSeed) {
  std::vector<unsigned char> bytes(100);
  const uint64_t before = checksum64(bytes.data(), bytes.size(), 1);
  EXPECT_NE(before, checksum64(bytes.data(), bytes.size(), 2));
  for (unsigned char& byte : bytes) {
    byte = 1;
    EXPECT_NE(before, checksum64(bytes.data(), bytes.size(), 1));
    byte = 0;
  }
}

}  // namespace
}  // namespace roxanne::base
