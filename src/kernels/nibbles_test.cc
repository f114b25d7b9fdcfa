// Sums of table look-ups for blocks of codes.
#include "kernels/test_data.h"

namespace roxanne::kernels {
namespace {

class Nibbles : public Kernels {
 protected:
  // Tables may end where memory does; so may codes. `offset` moves both off their alignment.
  void check(const std::vector<uint8_t>& codes, const std::vector<uint8_t>& lut, size_t offset) {
    const size_t table_count = lut.size() / 16;
    const GuardedBytes codes_at(codes.data(), codes.size());
    const GuardedBytes lut_at(lut.data(), lut.size());
    std::vector<uint8_t> moved_codes(codes.size() + offset), moved_lut(lut.size() + offset);
    std::copy(codes.begin(), codes.end(), moved_codes.begin() + static_cast<ptrdiff_t>(offset));
    std::copy(lut.begin(), lut.end(), moved_lut.begin() + static_cast<ptrdiff_t>(offset));
    constexpr uint16_t kUnwritten = 0x1234;
    std::vector<uint16_t> want(kNibbleBlock), got(kNibbleBlock + 2, kUnwritten);
    scalar().sum_nibbles(codes.data(), lut.data(), table_count, want.data());
    const auto expect_same = [&] {
      ASSERT_EQ(got.front(), kUnwritten);
      ASSERT_EQ(got.back(), kUnwritten);
      ASSERT_EQ(std::vector<uint16_t>(got.begin() + 1, got.end() - 1), want)
          << table_count << " tables";
    };
    table().sum_nibbles(static_cast<const uint8_t*>(codes_at.data()),
                        static_cast<const uint8_t*>(lut_at.data()), table_count, got.data() + 1);
    expect_same();
    table().sum_nibbles(moved_codes.data() + offset, moved_lut.data() + offset, table_count,
                        got.data() + 1);
    expect_same();
  }
};

TEST_P(Nibbles, AgreeWithScalarForEachTableCount) {
  Random random(11);
  for (size_t table_count = 0; table_count <= kNibbleTablesMax; table_count += 2) {
    for (size_t round = 0; round < 4; ++round) {
      check(random_rows<U8Type>(random, table_count / 2 * kNibbleBlock),
            random_rows<U8Type>(random, table_count * 16), 1 + random() % 63);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(Nibbles, LargestSumsFit) {
  const std::vector<uint8_t> lut(kNibbleTablesMax * 16, 255);
  std::vector<uint8_t> codes(kNibbleTablesMax / 2 * kNibbleBlock, 0x5a);
  std::vector<uint16_t> out(kNibbleBlock);
  table().sum_nibbles(codes.data(), lut.data(), kNibbleTablesMax, out.data());
  EXPECT_EQ(out, std::vector<uint16_t>(kNibbleBlock, 255 * kNibbleTablesMax));
}

// By the definition, so that scalar is judged too: one code, one table and one entry at a time.
TEST_P(Nibbles, EachCodeReadsItsOwnNibbles) {
  constexpr size_t kTables = 6;
  for (size_t t = 0; t < kTables; ++t) {
    for (size_t entry = 0; entry < 16; ++entry) {
      std::vector<uint8_t> lut(kTables * 16);
      lut[t * 16 + entry] = 200;
      for (size_t i = 0; i < kNibbleBlock; ++i) {
        // All others hold another nibble, 15 - entry.
        const size_t other = (15 - entry) * 0x11;
        std::vector<uint8_t> codes(kTables / 2 * kNibbleBlock, static_cast<uint8_t>(other));
        codes[t / 2 * kNibbleBlock + i] =
            static_cast<uint8_t>(t % 2 == 0 ? (other & 0xf0) | entry : (other & 0x0f) | entry << 4);
        std::vector<uint16_t> want(kNibbleBlock), out(kNibbleBlock);
        want[i] = 200;
        table().sum_nibbles(codes.data(), lut.data(), kTables, out.data());
        ASSERT_EQ(out, want) << "table " << t << " entry " << entry << " code " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Nibbles, testing::ValuesIn(known_isas()), isa_name);

}  // namespace
}  // namespace roxanne::kernels
