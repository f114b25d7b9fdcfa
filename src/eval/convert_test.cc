#include <gtest/gtest.h>

#include <limits>

#include "eval/test_files.h"

namespace roxanne::eval {
namespace {

VectorBatch floats(const std::vector<float>& values) {
  VectorBatch batch{ScalarType::kF32, values.size(), 1, {}, {}, {}, {}};
  batch.data.resize(values.size() * sizeof(float));
  std::memcpy(batch.data.data(), values.data(), batch.data.size());
  return batch;
}

TEST(Convert, EveryTypeToF32AndBackIsTheSame) {
  std::mt19937_64 random(37);
  for (const ScalarType type : kAllScalarTypes) {
    VectorBatch batch = random_batch(type, 20, 17, random);
    batch.string_keys.assign(20, "key");
    batch.payloads.assign(20, "{}");
    VectorBatch wide, narrow;
    ASSERT_TRUE(convert_batch(batch, ScalarType::kF32, wide).is_ok());
    ASSERT_EQ(convert_batch(wide, type, narrow).to_string(), "ok");
    EXPECT_EQ(narrow.data, batch.data) << scalar_type_name(type);
    EXPECT_EQ(narrow.string_keys, batch.string_keys);
    EXPECT_EQ(narrow.payloads, batch.payloads);
  }
}

TEST(Convert, HalvesRoundToNearestEven) {
  VectorBatch out;
  // 2049 and 2051 lie halfway between halves; 65519 rounds to the largest.
  ASSERT_TRUE(
      convert_batch(floats({2049, 2051, 65519, -0.0f, 6e-8f}), ScalarType::kF16, out).is_ok());
  std::vector<uint16_t> halves(5);
  std::memcpy(halves.data(), out.data.data(), out.data.size());
  EXPECT_EQ(halves, (std::vector<uint16_t>{0x6800, 0x6802, 0x7bff, 0x8000, 0x0001}));
}

TEST(Convert, ValuesThatDoNotFitAreNamed) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const struct {
    ScalarType type;
    float value;
    bool fits;
  } cases[] = {
      {ScalarType::kU8, 255, true},     {ScalarType::kU8, 256, false},
      {ScalarType::kU8, -1, false},     {ScalarType::kU8, 0.5f, false},
      {ScalarType::kU8, nan, false},    {ScalarType::kU8, -0.0f, true},
      {ScalarType::kI8, -128, true},    {ScalarType::kI8, -129, false},
      {ScalarType::kI8, 128, false},    {ScalarType::kI8, infinity, false},
      {ScalarType::kF16, 65520, false}, {ScalarType::kF16, infinity, false},
      {ScalarType::kF16, nan, false},   {ScalarType::kF32, nan, true},
  };
  for (const auto& [type, value, fits] : cases) {
    VectorBatch in = floats({1, 2, 3, 4, 5, value});
    in.dim = 2;
    in.rows = 3;
    VectorBatch out;
    const Status status = convert_batch(in, type, out);
    EXPECT_EQ(status.is_ok(), fits) << value << status.to_string();
    if (fits) continue;
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("row 2, column 1"), std::string::npos) << status.message();
  }
}

TEST(Convert, BetweenIntegerTypes) {
  VectorBatch bytes{ScalarType::kU8, 2, 1, {std::byte{127}, std::byte{0}}, {}, {}, {}};
  VectorBatch out;
  ASSERT_TRUE(convert_batch(bytes, ScalarType::kI8, out).is_ok());
  EXPECT_EQ(out.data, bytes.data);
  bytes.data[1] = std::byte{128};
  EXPECT_FALSE(convert_batch(bytes, ScalarType::kI8, out).is_ok());
}

}  // namespace
}  // namespace roxanne::eval
