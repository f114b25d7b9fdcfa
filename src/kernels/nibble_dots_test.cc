// Inner products of a query with codes of nibbles.
#include "kernels/test_data.h"

namespace roxanne::kernels {
namespace {

class NibbleDots : public Kernels {
 protected:
  struct Case {
    std::vector<int8_t> low, high;  // of each byte of a code
    std::vector<uint8_t> levels;
    std::vector<uint8_t> codes;
    size_t stride;
    size_t byte_count() const { return low.size(); }
  };

  // Code by code, as the header says it.
  static std::vector<int32_t> wanted(const Case& c, size_t count) {
    std::vector<int32_t> sums(count);
    for (size_t i = 0; i < count; ++i) {
      for (size_t b = 0; b < c.byte_count(); ++b) {
        const uint8_t byte = c.codes[i * c.stride + b];
        sums[i] += c.low[b] * c.levels[byte % 16] + c.high[b] * c.levels[byte / 16];
      }
    }
    return sums;
  }

  // Codes may end where memory does, and lie anywhere.
  void check(const Case& c, size_t count) {
    NibbleQuery query{nullptr, nullptr, c.byte_count()};
    std::vector<int8_t> values(2 * query.padded_bytes());
    std::copy(c.low.begin(), c.low.end(), values.begin());
    std::copy(c.high.begin(), c.high.end(),
              values.begin() + static_cast<ptrdiff_t>(query.padded_bytes()));
    const GuardedBytes values_at(values.data(), values.size());
    const GuardedBytes levels_at(c.levels.data(), c.levels.size());
    const GuardedBytes codes_at(c.codes.data(), c.codes.size());
    query.values = static_cast<const int8_t*>(values_at.data());
    query.levels = static_cast<const uint8_t*>(levels_at.data());
    const auto* codes = static_cast<const uint8_t*>(codes_at.data());
    constexpr int32_t kUnwritten = 0x12345678;
    std::vector<int32_t> got(count + 1, kUnwritten);
    table().dot_nibbles(query, codes, c.stride, count, got.data());
    ASSERT_EQ(got.back(), kUnwritten);
    got.pop_back();
    ASSERT_EQ(got, wanted(c, count)) << c.byte_count() << " bytes";
    scalar().dot_nibbles(query, codes, c.stride, count, got.data());
    ASSERT_EQ(got, wanted(c, count)) << c.byte_count() << " bytes";
  }
};

TEST_P(NibbleDots, AreExactForEachLength) {
  Random random(1);
  for (size_t bytes = 1; bytes <= 200; ++bytes) {
    const size_t count = random() % 20;
    const size_t stride = bytes + random() % 3;
    Case c{{}, {}, {}, {}, stride};
    for (size_t b = 0; b < bytes; ++b) {
      c.low.push_back(static_cast<int8_t>(static_cast<int>(random() % 255) - 127));
      c.high.push_back(static_cast<int8_t>(static_cast<int>(random() % 255) - 127));
    }
    for (size_t l = 0; l < kNibbleLevels; ++l) {
      c.levels.push_back(static_cast<uint8_t>(random() % (kNibbleLevelMost + 1)));
    }
    // The last code ends where the bytes do.
    const size_t size = count == 0 ? 0 : (count - 1) * stride + bytes;
    for (size_t i = 0; i < size; ++i) c.codes.push_back(static_cast<uint8_t>(random()));
    check(c, count);
    if (HasFatalFailure()) return;
  }
}

TEST_P(NibbleDots, LargestSumsFit) {
  for (const int value : {-127, 127}) {
    constexpr size_t kBytes = 8192;
    const std::vector<int8_t> values(kBytes, static_cast<int8_t>(value));
    check({values, values, std::vector<uint8_t>(kNibbleLevels, kNibbleLevelMost),
           std::vector<uint8_t>(kBytes, 0x5a), kBytes},
          1);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, NibbleDots, testing::ValuesIn(known_isas()), isa_name);

}  // namespace
}  // namespace roxanne::kernels
