// Selections, conversions, and the choice of the instruction set.
#include <cstdio>
#include <limits>

#include "kernels/test_data.h"

namespace roxanne::kernels {
namespace {

class Selections : public Kernels {
 protected:
  static constexpr size_t kMostRows = 208;

  template <typename Dot, typename Other, typename Bound>
  using SelectFn = size_t (*)(const Dot*, const Other*, size_t, Bound, uint32_t*);

  template <typename Dot, typename Other, typename Bound>
  void check(SelectFn<Dot, Other, Bound> KernelTable::*kernel, const Dot* dots, const Other* others,
             size_t n, Bound bound) {
    AlignedArray<uint32_t> got(n), want(n);
    const size_t got_count = (table().*kernel)(dots, others, n, bound, got.data());
    const size_t want_count = (scalar().*kernel)(dots, others, n, bound, want.data());
    const std::vector<uint32_t> got_rows(got.data(), got.data() + got_count);
    const std::vector<uint32_t> want_rows(want.data(), want.data() + want_count);
    ASSERT_EQ(got_rows, want_rows) << "n " << n << " bound " << bound;
  }
};

TEST_P(Selections, FloatsAreThoseOfScalar) {
  Random random(3);
  std::uniform_real_distribution<float> values(-100, 100);
  AlignedArray<float> dots(kMostRows), others(kMostRows);
  for (size_t n = 0; n <= kMostRows; n += 16) {
    for (int round = 0; round < 20; ++round) {
      for (size_t r = 0; r < n; ++r) {
        dots[r] = values(random);
        others[r] = values(random);
      }
      // Few pass, none, all, and bounds that a row meets exactly.
      const float infinity = std::numeric_limits<float>::infinity();
      for (const float bound : {values(random), -290.0f, 290.0f, -infinity, infinity,
                                n == 0 ? 0 : others[n / 2] - 2 * dots[n / 2]}) {
        check(&KernelTable::select_l2_float, dots.data(), others.data(), n, bound);
      }
      for (const float bound : {values(random) * 100, -9900.0f, 9900.0f, -infinity, infinity,
                                n == 0 ? 0 : others[n / 2] * dots[n / 2]}) {
        check(&KernelTable::select_scaled_float, dots.data(), others.data(), n, bound);
      }
    }
  }
}

TEST_P(Selections, IntegersAreThoseOfScalar) {
  Random random(4);
  std::uniform_int_distribution<int32_t> values(-1000, 1000);
  AlignedArray<int32_t> dots(kMostRows), norms(kMostRows);
  AlignedArray<float> scales(kMostRows);
  for (size_t n = 0; n <= kMostRows; n += 16) {
    for (int round = 0; round < 20; ++round) {
      for (size_t r = 0; r < n; ++r) {
        dots[r] = values(random);
        norms[r] = values(random);
        scales[r] = static_cast<float>(values(random)) / 64;
      }
      for (const int32_t bound :
           {values(random), -2900, 2900, std::numeric_limits<int32_t>::min(),
            std::numeric_limits<int32_t>::max(), n == 0 ? 0 : norms[n / 2] - 2 * dots[n / 2]}) {
        check(&KernelTable::select_l2_int, dots.data(), norms.data(), n, bound);
      }
      for (const float bound : {static_cast<float>(values(random)) * 10, -14000.0f, 14000.0f,
                                n == 0 ? 0 : static_cast<float>(dots[n / 2]) * scales[n / 2]}) {
        check(&KernelTable::select_scaled_int, dots.data(), scales.data(), n, bound);
      }
    }
  }
}

TEST_P(Selections, NanIsNeverSelected) {
  constexpr size_t kRows = 32;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  AlignedArray<float> nans(kRows), ones(kRows);
  AlignedArray<int32_t> ints(kRows);
  AlignedArray<uint32_t> out(kRows);
  for (size_t r = 0; r < kRows; ++r) {
    nans[r] = nan;
    ones[r] = 1.0f;
    ints[r] = 1;
  }
  EXPECT_EQ(table().select_l2_float(nans.data(), ones.data(), kRows, infinity, out.data()), 0u);
  EXPECT_EQ(table().select_l2_float(ones.data(), nans.data(), kRows, infinity, out.data()), 0u);
  EXPECT_EQ(table().select_l2_float(ones.data(), ones.data(), kRows, nan, out.data()), 0u);
  EXPECT_EQ(table().select_scaled_float(nans.data(), ones.data(), kRows, -infinity, out.data()),
            0u);
  EXPECT_EQ(table().select_scaled_int(ints.data(), nans.data(), kRows, -infinity, out.data()), 0u);
  EXPECT_EQ(table().select_scaled_int(ints.data(), ones.data(), kRows, nan, out.data()), 0u);
  EXPECT_EQ(table().select_l2_float(ones.data(), ones.data(), kRows, -1.0f, out.data()), kRows);
}

INSTANTIATE_TEST_SUITE_P(Isa, Selections, testing::ValuesIn(known_isas()), isa_name);

class Conversions : public Kernels {};

TEST_P(Conversions, EachHalfWidensExactly) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> floats(halves.size());
  table().f16_to_f32(halves.data(), halves.size(), floats.data());
  for (size_t i = 0; i < halves.size(); ++i) {
    const float want = base::f16_to_f32(halves[i]);
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(floats[i])) << i;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(floats[i]), std::bit_cast<uint32_t>(want)) << i;
    }
  }
}

TEST_P(Conversions, FloatsRoundToTheNearestHalf) {
  // Each half, the middle between it and the next, and the floats around both.
  std::vector<float> floats;
  for (uint32_t half = 0; half < 65536; ++half) {
    const float value = base::f16_to_f32(static_cast<uint16_t>(half));
    const float next = base::f16_to_f32(static_cast<uint16_t>(half + 1));
    const float middle = value + (next - value) / 2;
    for (const float f : {value, middle}) {
      floats.push_back(f);
      floats.push_back(std::nextafter(f, -std::numeric_limits<float>::infinity()));
      floats.push_back(std::nextafter(f, std::numeric_limits<float>::infinity()));
    }
  }
  Random random(9);
  for (int i = 0; i < 100000; ++i)
    floats.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  for (const float f : {65504.0f, 65519.99f, 65520.0f, 1e30f, -1e30f, 1e-45f}) floats.push_back(f);
  std::vector<uint16_t> halves(floats.size());
  table().f32_to_f16(floats.data(), floats.size(), halves.data());
  for (size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(halves[i], base::f32_to_f16(floats[i])) << std::bit_cast<uint32_t>(floats[i]);
  }
}

TEST_P(Conversions, AnyCountReadsAndWritesNoFurther) {
  Random random(10);
  for (size_t count = 0; count <= 67; ++count) {
    const auto floats = random_rows<F32Type>(random, count);
    const GuardedBytes floats_at(floats.data(), count * sizeof(float));
    std::vector<uint16_t> halves(count + 1, 0x1234);
    table().f32_to_f16(static_cast<const float*>(floats_at.data()), count, halves.data());
    ASSERT_EQ(halves[count], 0x1234);
    const GuardedBytes halves_at(halves.data(), count * sizeof(uint16_t));
    std::vector<float> back(count + 1, 42.0f);
    table().f16_to_f32(static_cast<const uint16_t*>(halves_at.data()), count, back.data());
    ASSERT_EQ(back[count], 42.0f);
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(halves[i], base::f32_to_f16(floats[i]));
      ASSERT_EQ(back[i], base::f16_to_f32(halves[i]));
    }
  }
}

TEST_P(Conversions, OneElementThatIsNotFiniteIsFound) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (size_t count = 0; count <= 70; ++count) {
    std::vector<float> floats(count, std::numeric_limits<float>::max());
    std::vector<uint16_t> halves(count, 0xfbff);  // the lowest finite half
    const auto all_finite = [&] {
      const GuardedBytes floats_at(floats.data(), count * sizeof(float));
      const GuardedBytes halves_at(halves.data(), count * sizeof(uint16_t));
      const bool f32 = table().all_finite_f32(static_cast<const float*>(floats_at.data()), count);
      const bool f16 =
          table().all_finite_f16(static_cast<const uint16_t*>(halves_at.data()), count);
      EXPECT_EQ(f32, f16) << count;
      return f32;
    };
    ASSERT_TRUE(all_finite());
    for (size_t i = 0; i < count; ++i) {
      for (const float bad : {infinity, -infinity, nan}) {
        floats[i] = bad;
        halves[i] = base::f32_to_f16(bad);
        ASSERT_FALSE(all_finite()) << i << " of " << count;
      }
      floats[i] = 0.0f;
      halves[i] = 0;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Conversions, testing::ValuesIn(known_isas()), isa_name);

TEST(Dispatch, ScalarIsFirstAndNamesDiffer) {
  const std::vector<std::string> isas = known_isas();
  EXPECT_EQ(isas.front(), "scalar");
  for (size_t i = 0; i < isas.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(isas[i], isas[j]);
  }
}

// The choice is made once a process, so each of these is made in a child, and none here.
[[noreturn]] void print_choice(const char* forced) {
  if (forced == nullptr) {
    unsetenv("ROX_ISA");  // NOLINT(concurrency-mt-unsafe): a child with one thread
  } else {
    setenv("ROX_ISA", forced, 1);  // NOLINT(concurrency-mt-unsafe)
  }
  std::fprintf(stderr, "chosen: %s\n", kernels().isa);
  std::_Exit(0);
}

TEST(DispatchDeathTest, TheBestSetIsChosen) {
  const std::string best = available_kernels().back()->isa;
  EXPECT_EXIT(print_choice(nullptr), testing::ExitedWithCode(0), "chosen: " + best);
  EXPECT_EXIT(print_choice(""), testing::ExitedWithCode(0), "chosen: " + best);
}

TEST(DispatchDeathTest, RoxIsaForcesASet) {
  for (const KernelTable* table : available_kernels()) {
    const std::string isa = table->isa;
    EXPECT_EXIT(print_choice(isa.c_str()), testing::ExitedWithCode(0), "chosen: " + isa);
  }
}

TEST(DispatchDeathTest, UnknownRoxIsaEndsWithAMessage) {
  EXPECT_EXIT(print_choice("sse9"), testing::ExitedWithCode(2),
              "ROX_ISA=sse9 is not an instruction set of this machine.*scalar");
}

}  // namespace
}  // namespace roxanne::kernels
