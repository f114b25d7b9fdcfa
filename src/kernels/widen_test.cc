#include "kernels/widen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/f16.h"

namespace roxanne::kernels {
namespace {

TEST(WidenRows, EachTypeKeepsItsValues) {
  const std::vector<float> want = {0, 1, 2, 100, 127, 5};
  std::vector<uint8_t> u8;
  std::vector<int8_t> i8;
  std::vector<uint16_t> f16;
  for (const float value : want) {
    u8.push_back(static_cast<uint8_t>(value));
    i8.push_back(static_cast<int8_t>(value));
    f16.push_back(base::f32_to_f16(value));
  }
  std::vector<float> out(6);
  for (const MatrixView rows :
       {MatrixView::f32(want.data(), 2, 3), MatrixView::f16(f16.data(), 2, 3),
        MatrixView::u8(u8.data(), 2, 3), MatrixView::i8(i8.data(), 2, 3)}) {
    std::fill(out.begin(), out.end(), -1.0f);
    widen_rows(rows, out.data());
    EXPECT_EQ(out, want);
  }
}

TEST(WidenRows, SignsOfI8AndHighU8) {
  const int8_t i8[2] = {-128, -1};
  const uint8_t u8[2] = {128, 255};
  std::vector<float> out(2);
  widen_rows(MatrixView::i8(i8, 1, 2), out.data());
  EXPECT_EQ(out, (std::vector<float>{-128, -1}));
  widen_rows(MatrixView::u8(u8, 1, 2), out.data());
  EXPECT_EQ(out, (std::vector<float>{128, 255}));
}

TEST(WidenRows, HalvesAtOddAddresses) {
  constexpr size_t kCount = 3000;
  std::vector<std::byte> bytes(kCount * 2 + 1);
  for (size_t i = 0; i < kCount; ++i) {
    const uint16_t half = base::f32_to_f16(static_cast<float>(i % 1000));
    std::memcpy(&bytes[1 + i * 2], &half, 2);
  }
  std::vector<float> out(kCount);
  widen_rows({ScalarType::kF16, bytes.data() + 1, 3, 1000}, out.data());
  for (size_t i = 0; i < kCount; ++i) ASSERT_EQ(out[i], static_cast<float>(i % 1000));
}

}  // namespace
}  // namespace roxanne::kernels
