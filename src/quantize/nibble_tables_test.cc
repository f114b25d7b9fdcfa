#include "quantize/nibble_tables.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/quantizer.h"
#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

struct Case {
  std::vector<float> tables;
  std::vector<uint8_t> codes;  // kBlockCodes flat ones

  Case(size_t table_count, uint64_t seed) {
    Random random(seed);
    for (size_t i = 0; i < table_count * kNibbleValues; ++i) tables.push_back(random.gaussian());
    for (size_t i = 0; i < table_count / 2 * kBlockCodes; ++i) {
      codes.push_back(static_cast<uint8_t>(random.next()));
    }
  }
  size_t code_bytes() const { return codes.size() / kBlockCodes; }
  double exact(size_t i) const {
    double sum = 0;
    for (size_t b = 0; b < code_bytes(); ++b) {
      const uint8_t byte = codes[i * code_bytes() + b];
      sum += tables[b * 32 + byte % 16] + tables[b * 32 + 16 + byte / 16];
    }
    return sum;
  }
  std::vector<uint8_t> block() const {
    std::vector<uint8_t> rows(codes.size());
    transpose_codes(codes.data(), kBlockCodes, code_bytes(), code_bytes(), rows.data());
    return rows;
  }
};

TEST(NibbleTables, SumsAreWithinARandomWalkOfHalfSteps) {
  // 512 and 600 are more tables than the kernel takes at once.
  for (const size_t table_count : {2, 8, 30, 64, 254, 256, 258, 512, 600}) {
    const Case example(table_count, table_count);
    const NibbleTables tables(example.tables.data(), table_count);
    uint32_t totals[kBlockCodes] = {};
    tables.add_block(example.block().data(), 0, totals);
    for (size_t i = 0; i < kBlockCodes; ++i) {
      const double sum = tables.step() * static_cast<double>(totals[i]) + tables.offset();
      const double walk = tables.step() * std::sqrt(static_cast<double>(table_count) / 12);
      ASSERT_NEAR(sum, example.exact(i), 5 * walk) << table_count << " tables, code " << i;
    }
  }
}

TEST(NibbleTables, FlatCodesAndBlocksHaveTheSameSums) {
  for (const size_t table_count : {2, 64, 256, 600}) {
    const Case example(table_count, table_count + 1);
    const NibbleTables tables(example.tables.data(), table_count);
    ASSERT_EQ(tables.code_bytes(), example.code_bytes());
    uint32_t totals[kBlockCodes] = {};
    tables.add_block(example.block().data(), 0, totals);
    for (size_t i = 0; i < kBlockCodes; ++i) {
      ASSERT_EQ(totals[i], tables.steps(example.codes.data() + i * example.code_bytes()));
    }
  }
}

TEST(NibbleTables, ShiftsWeighWhatIsAdded) {
  const Case example(16, 3);
  const NibbleTables tables(example.tables.data(), 16);
  const std::vector<uint8_t> block = example.block();
  uint32_t once[kBlockCodes] = {}, weighted[kBlockCodes] = {};
  tables.add_block(block.data(), 0, once);
  tables.add_block(block.data(), 3, weighted);
  tables.add_block(block.data(), 0, weighted);
  for (size_t i = 0; i < kBlockCodes; ++i) EXPECT_EQ(weighted[i], 9 * once[i]);
}

TEST(NibbleTables, RoundingIsUnbiased) {
  double error = 0, square = 0;
  constexpr size_t kRounds = 200;
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    const Case example(64, seed);
    const NibbleTables tables(example.tables.data(), 64);
    for (size_t i = 0; i < kBlockCodes; ++i) {
      const uint32_t steps = tables.steps(example.codes.data() + i * example.code_bytes());
      const double e =
          tables.step() * static_cast<double>(steps) + tables.offset() - example.exact(i);
      error += e;
      square += e * e;
    }
  }
  constexpr double kCount = kRounds * kBlockCodes;
  EXPECT_NEAR(error / kCount, 0, 5 * std::sqrt(square / kCount / kCount));
}

TEST(NibbleTables, EqualEntriesAreExact) {
  const std::vector<float> tables(4 * kNibbleValues, 2.5f);
  const NibbleTables nibble_tables(tables.data(), 4);
  const uint8_t code[2] = {0x12, 0xff};
  EXPECT_EQ(nibble_tables.steps(code), 0u);
  EXPECT_EQ(nibble_tables.offset(), 10.0f);
}

TEST(TransposeCodes, MissingCodesAreZeros) {
  const std::vector<uint8_t> codes = {1, 2, 99, 3, 4, 99};
  std::vector<uint8_t> rows(2 * kBlockCodes, 7);
  transpose_codes(codes.data(), 2, 3, 2, rows.data());
  std::vector<uint8_t> want(2 * kBlockCodes);
  want[0] = 1;
  want[1] = 3;
  want[kBlockCodes] = 2;
  want[kBlockCodes + 1] = 4;
  EXPECT_EQ(rows, want);
}

}  // namespace
}  // namespace roxanne::quantize
