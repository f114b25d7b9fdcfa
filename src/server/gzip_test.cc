// gzip, and what pretends to be.
#include "server/gzip.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace roxanne::server {
namespace {

constexpr uint64_t kMuch = 1u << 30;

struct Outcome {
  Gunzip what;
  std::string text;
  uint64_t asked = 0;  // bytes of memory
};

Outcome unpack(std::string_view data, uint64_t bytes_max = kMuch, uint64_t allowed = kMuch) {
  Outcome outcome{Gunzip::kDone, "", 0};
  outcome.what = gunzip(data,
                        {.bytes_max = bytes_max,
                         .may_grow =
                             [&](uint64_t bytes) {
                               if (outcome.asked + bytes > allowed) return false;
                               outcome.asked += bytes;
                               return true;
                             }},
                        outcome.text);
  return outcome;
}

std::string packed(std::string_view data) {
  std::string out;
  EXPECT_TRUE(gzip(data, out));
  return out;
}

TEST(Gzip, ComesBackAsItWas) {
  std::mt19937 random(1);
  for (const size_t bytes : {100, 65'535, 65'536, 65'537, 3'000'000}) {
    std::string text(bytes, 'a');
    for (size_t i = 0; i < bytes; i += 3) text[i] = static_cast<char>('a' + random() % 4);
    const std::string data = packed(text);
    EXPECT_LT(data.size(), text.size());
    EXPECT_EQ(unpack(data).text, text);
    EXPECT_EQ(unpack(data + data).text, text + text) << "two members";
    EXPECT_EQ(unpack(data, bytes).what, Gunzip::kDone) << "exactly as long as it may be";
    EXPECT_EQ(unpack(data, bytes - 1).what, Gunzip::kTooLarge);
  }
}

TEST(Gzip, LeavesAloneWhatDoesNotGetSmaller) {
  std::mt19937 random(1);
  std::string noise(10'000, ' ');
  for (char& c : noise) c = static_cast<char>(random());
  std::string out;
  EXPECT_FALSE(gzip(noise, out));
  EXPECT_FALSE(gzip("", out));
}

TEST(Gzip, TakesNoMoreMemoryThanItMay) {
  const std::string bomb = packed(std::string(100'000'000, '0'));
  EXPECT_LT(bomb.size(), 1'000'000u);
  const Outcome large = unpack(bomb, 200'000);
  EXPECT_EQ(large.what, Gunzip::kTooLarge);
  EXPECT_LE(large.asked, 200'001u);
  const Outcome refused = unpack(bomb, kMuch, 5'000'000);
  EXPECT_EQ(refused.what, Gunzip::kRefused);
  EXPECT_LE(refused.text.size(), 5'000'000u);
}

TEST(Gzip, WhatIsBrokenIsNeverTakenForWhole) {
  const std::string text = R"({"points":[{"key":1,"vector":[1,2,3]}]})" + std::string(500, ' ');
  const std::string data = packed(text);
  for (size_t bytes = 0; bytes < data.size(); ++bytes) {
    EXPECT_EQ(unpack(data.substr(0, bytes)).what, Gunzip::kBroken) << bytes;
  }
  for (size_t bit = 0; bit < data.size() * 8; ++bit) {
    std::string damaged = data;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const Outcome outcome = unpack(damaged, 10'000);
    // The header has bits that say nothing of the text: the time, the system.
    if (outcome.what == Gunzip::kDone) {
      EXPECT_EQ(outcome.text, text) << bit;
    }
  }
  EXPECT_EQ(unpack(data + "x").what, Gunzip::kBroken);
  EXPECT_EQ(unpack("{}").what, Gunzip::kBroken);
}

TEST(Gzip, AcceptEncodingSaysWhetherItMayBe) {
  for (const char* yes : {"gzip", "GZIP", "x-gzip", "br, gzip;q=0.5", " deflate , gzip ; q=1", "*",
                          "*;q=0, gzip", "gzip;q=0.001"}) {
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  }
  for (const char* no : {"", "identity", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "gzipped",
                         ",", ";", ";q=1"}) {
    EXPECT_FALSE(accepts_gzip(no)) << no;
  }
}

}  // namespace
}  // namespace roxanne::server
