#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#include "base/aligned_buffer.h"
#include "base/ascii.h"
#include "base/background.h"
#include "base/checksum.h"
#include "base/coding.h"
#include "base/f16.h"
#include "base/key_text.h"
#include "base/thread_pool.h"
#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::base {
namespace {

TEST(F16, EveryHalfComesBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float wide = f16_to_f32(static_cast<uint16_t>(half));
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(wide))));
    } else {
      EXPECT_EQ(f32_to_f16(wide), half);
    }
  }
}

TEST(F16, RoundsToNearestEvenAndOverflowsToInfinity) {
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), f32_to_f16(1.0f));  // a tie goes to even
  EXPECT_EQ(f32_to_f16(1.0f + 3 * 0x1p-11f), f32_to_f16(1.0f + 0x1p-9f));
  EXPECT_EQ(f16_to_f32(f32_to_f16(65519.0f)), 65504.0f);
  EXPECT_TRUE(std::isinf(f16_to_f32(f32_to_f16(65520.0f))));
  EXPECT_EQ(f16_to_f32(f32_to_f16(0x1p-24f)), 0x1p-24f);
  EXPECT_EQ(f16_to_f32(f32_to_f16(0x1p-26f)), 0.0f);
}

TEST(AlignedBuffer, ShrinksAndIsZeroWhereItGrowsAgain) {
  for (const size_t size : {size_t{10'000}, size_t{6} << 20}) {
    AlignedBuffer buffer(size);
    std::memset(buffer.data(), 7, size);
    for (const size_t less : {size - 1, size / 2 + 3, size / 100, size_t{1}, size_t{0}}) {
      buffer.shrink(less);
      buffer.shrink(size);  // not less: nothing
      EXPECT_EQ(buffer.size(), less);
    }
    buffer.grow(size);
    EXPECT_EQ(std::count(buffer.data(), buffer.data() + size, std::byte{0}),
              static_cast<ptrdiff_t>(size));
    std::memset(buffer.data(), 8, size);
    buffer.shrink(size / 3);
    buffer.grow(2 * size);
    EXPECT_EQ(buffer.data()[size / 3 - 1], std::byte{8});
    EXPECT_EQ(std::count(buffer.data() + size / 3, buffer.data() + 2 * size, std::byte{0}),
              static_cast<ptrdiff_t>(2 * size - size / 3));
  }
}

TEST(AlignedBuffer, IsAlignedZeroedAndMovable) {
  for (const size_t size : {1u, 4096u, 5000u, 2u << 20, (5u << 20) + 1}) {
    AlignedBuffer buffer(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % (size >= (2u << 20) ? 2u << 20 : 4096u),
              0u);
    EXPECT_EQ(buffer.size(), size);
    for (size_t i = 0; i < size; i += 997) EXPECT_EQ(buffer.data()[i], std::byte{0});
    std::memset(buffer.data(), 1, size);
    AlignedBuffer other = std::move(buffer);
    EXPECT_EQ(other.data()[size - 1], std::byte{1});
  }
}

TEST(ThreadPool, DoesAllWorkWhoeverHelps) {
  for (const size_t threads : {0u, 1u, 3u}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 50; ++round) {
      std::atomic<size_t> next{0};
      std::atomic<size_t> sum{0};
      std::mutex mutex;
      std::set<size_t> lanes;
      pool.run(4, [&](size_t lane) {
        {
          std::lock_guard lock(mutex);
          EXPECT_TRUE(lanes.insert(lane).second) << "a lane ran twice";
        }
        for (size_t i = next++; i < 100; i = next++) sum += i;
      });
      EXPECT_EQ(sum, 4950u);
    }
  }
}

TEST(ThreadPool, ServesSeveralCallersAtOnce) {
  ThreadPool pool(2);
  std::vector<std::thread> callers;
  std::atomic<size_t> sum{0};
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        std::atomic<size_t> next{0};
        pool.run(3, [&](size_t) {
          for (size_t i = next++; i < 10; i = next++) ++sum;
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4000u);
}

TEST(ThreadPool, HelpersAreOfTheCallersPriority) {
  ThreadPool pool(2, 1);
  const auto run = [&pool](bool expected) {
    std::atomic<size_t> wrong{0};
    std::atomic<size_t> lanes{0};
    for (int round = 0; round < 50; ++round) {
      pool.run(3, [&](size_t) {
        ++lanes;
        wrong += in_background() != expected;
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      });
    }
    EXPECT_EQ(wrong, 0u);
    EXPECT_GT(lanes, 50u) << "nobody helped";
    return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
  };
  EXPECT_EQ(run(false), getpriority(PRIO_PROCESS, 0));
  int niceness = 0;
  std::thread([&] {
    enter_background();
    niceness = run(true);
  }).join();
  EXPECT_GT(niceness, getpriority(PRIO_PROCESS, 0));
  EXPECT_FALSE(in_background());
}

TEST(Background, PushesNobodyAsideWhenItWakesUp) {
  int policy = -1;
  std::thread([&] {
    enter_background();
    policy = sched_getscheduler(0);
  }).join();
  EXPECT_EQ(policy, SCHED_BATCH);
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

TEST(Checksum, DependsOnBytesAndSeed) {
  EXPECT_NE(checksum64("abc", 3), checksum64("abd", 3));
  EXPECT_NE(checksum64("abc", 3, 1), checksum64("abc", 3, 2));
}

TEST(Coding, BigEndianSorts) {
  std::string a, b;
  append_big_endian(a, uint32_t{255});
  append_big_endian(b, uint32_t{256});
  EXPECT_LT(a, b);
  EXPECT_EQ(load_big_endian_u32(b.data()), 256u);
}

TEST(Types, NamesAreWhatTheyParseFrom) {
  for (const auto type : {ScalarType::kF32, ScalarType::kF16, ScalarType::kU8, ScalarType::kI8}) {
    EXPECT_EQ(parse_scalar_type(scalar_type_name(type)), type);
  }
  EXPECT_EQ(parse_metric("cosine"), Metric::kCosine);
  EXPECT_EQ(parse_metric("COSINE"), std::nullopt);
  EXPECT_EQ(parse_key_type("string"), KeyType::kString);
}

TEST(Status, SaysWhatAndWhere) {
  EXPECT_EQ(Status::not_found("key 7").with_context("get").to_string(), "not_found: get: key 7");
  EXPECT_EQ(Status::ok().to_string(), "ok");
  const Result<int> failed = Status::disk_full("x");
  EXPECT_FALSE(failed.is_ok());
  EXPECT_EQ(failed.status().code(), StatusCode::kDiskFull);
}

TEST(KeyText, NumbersAreDigitsOnly) {
  EXPECT_EQ(parse_u64("18446744073709551615"), 18446744073709551615ull);
  for (const char* text : {"", "+1", "-1", "1 ", " 1", "1.0", "18446744073709551616", "a"}) {
    EXPECT_FALSE(parse_u64(text).has_value()) << text;
  }
}

TEST(KeyText, KeysAreParsedByType) {
  EXPECT_EQ(*parse_key(KeyType::kU64, "17"), Key(uint64_t{17}));
  EXPECT_FALSE(parse_key(KeyType::kU64, "x17").is_ok());
  EXPECT_EQ(*parse_key(KeyType::kString, "17"), Key("17"));
  EXPECT_FALSE(parse_key(KeyType::kString, "").is_ok());
  EXPECT_TRUE(parse_key(KeyType::kString, std::string(kKeyBytesMax, 'k')).is_ok());
  EXPECT_FALSE(parse_key(KeyType::kString, std::string(kKeyBytesMax + 1, 'k')).is_ok());
}

TEST(Ascii, CaseAndBlanksMeanNothing) {
  EXPECT_EQ(lower(std::string_view("A-Zaz@[\xC4")), "a-zaz@[\xC4");
  EXPECT_TRUE(same_word("GZip", "gzip"));
  EXPECT_FALSE(same_word("gzi", "gzip"));
  EXPECT_FALSE(same_word("gzipp", "gzip"));
  EXPECT_EQ(trim(" \ta b\r"), "a b");
  EXPECT_EQ(trim("ab"), "ab");
  EXPECT_EQ(trim(" \r\t"), "");
  EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace roxanne::base
