#include "server/json_body.h"

#include <gtest/gtest.h>

#include <cstring>

#include "server/binary_body.h"

namespace roxanne::server {
namespace {

template <typename T>
std::vector<T> elements(const Rows& rows) {
  std::vector<T> values(rows.bytes.size() / sizeof(T));
  std::memcpy(values.data(), rows.bytes.data(), rows.bytes.size());
  return values;
}

Points points_of(ScalarType type, size_t dim, KeyType key_type = KeyType::kU64) {
  return {{.type = key_type, .count_max = 3}, {.type = type, .dim = dim, .count_max = 3}};
}

Status read(std::string_view body, Points& points) {
  const Member members[] = {{"points", &points}};
  return read_json_body(body, members);
}

TEST(JsonBody, NumbersGoIntoRowsOfTheirType) {
  Points bytes = points_of(ScalarType::kI8, 2);
  ASSERT_TRUE(
      read(R"({"points":[{"key":1,"vector":[-128,127.0]},{"vector":[0,1e1],"key":2}]})", bytes));
  EXPECT_EQ(elements<int8_t>(bytes.rows), (std::vector<int8_t>{-128, 127, 0, 10}));
  EXPECT_EQ(bytes.keys.numbers, (std::vector<uint64_t>{1, 2}));
  Points floats = points_of(ScalarType::kF32, 3);
  // The nearest float of the text, not of a double near it.
  ASSERT_TRUE(
      read(R"({"points":[{"key":1,"vector":[0.1,16777217,1.00000005960464477540]}]})", floats));
  EXPECT_EQ(elements<float>(floats.rows), (std::vector<float>{0.1f, 16777216.f, 1.00000012f}));
}

TEST(JsonBody, KeysAreExact) {
  std::optional<Key> key;
  const Member members[] = {{"key", OneKey{KeyType::kU64, &key}}};
  ASSERT_TRUE(read_json_body(R"({"key":18446744073709551615})", members));
  EXPECT_EQ(key->u64(), UINT64_MAX);
  for (const char* wrong : {R"({"key":18446744073709551616})", R"({"key":1.0})", R"({"key":-1})",
                            R"({"key":"1"})", R"({"key":1e3})", R"({"key":null})"}) {
    EXPECT_FALSE(read_json_body(wrong, members)) << wrong;
  }
}

TEST(JsonBody, StringKeysThatAreNotUtf8AreHex) {
  std::optional<Key> key;
  Keys keys{.type = KeyType::kString, .count_max = 3};
  const Member members[] = {{"after", OneKey{KeyType::kString, &key}}, {"keys", &keys}};
  ASSERT_TRUE(read_json_body(R"({"after":{"hex":"ff00Aa"},"keys":["a",{"hex":"80"}]})", members));
  EXPECT_EQ(key->str(), std::string("\xff\0\xaa", 3));
  EXPECT_EQ(keys.strings, (std::vector<std::string>{"a", "\x80"}));
  Points points = points_of(ScalarType::kU8, 1, KeyType::kString);
  ASSERT_TRUE(read(R"({"points":[{"vector":[1],"key":{"hex":"80"}}]})", points));
  EXPECT_EQ(points.keys.strings, (std::vector<std::string>{"\x80"}));
  for (const char* wrong : {"{}", R"({"hex":"8"})", R"({"hex":""})", R"({"hex":"0x"})",
                            R"({"hex":"-1"})", R"({"hex":"80","hex":"81"})", R"({"base":"80"})",
                            R"({"hex":128})", R"({"hex":{"hex":"80"}})", R"({"hex":["80"]})"}) {
    const std::string body = R"({"after":)" + std::string(wrong) + "}";
    EXPECT_FALSE(read_json_body(body, members)) << wrong;
  }
  EXPECT_FALSE(read_json_body(R"({"after":{"hex":")" + std::string(1026, 'a') + "\"}}", members));
  Points numbers = points_of(ScalarType::kU8, 1);
  EXPECT_FALSE(read(R"({"points":[{"vector":[1],"key":{"hex":"80"}}]})", numbers));
}

TEST(JsonBody, PayloadsComeWithoutTheirSpaces) {
  Points points = points_of(ScalarType::kU8, 1, KeyType::kString);
  ASSERT_TRUE(read(
      R"({"points":[{"key":"a","vector":[1],"payload":{ "x" : [1, {"y": null}], "z":"\u00e9\"" }},
                      {"key":"b","vector":[2],"payload":null},{"key":"c","vector":[3]}]})",
      points));
  EXPECT_EQ(points.payloads,
            (std::vector<std::string>{"{\"x\":[1,{\"y\":null}],\"z\":\"\xc3\xa9\\\"\"}", "", ""}));
}

TEST(JsonBody, SaysWhereItIsWrong) {
  const auto message = [](std::string_view body) {
    Points points = points_of(ScalarType::kU8, 2);
    return read(body, points).message();
  };
  EXPECT_EQ(message(R"({"points":[{"key":1,"vector":[1,2]},{"key":1,"vector":[1,256]}]})"),
            "points[1].vector[1]: expected u8 values, found 256");
  EXPECT_EQ(
      message(R"({"points":[{"key":"x"}]})"),
      "points[0].key: expected a whole number: the collection's keys are u64, found a string");
  EXPECT_EQ(message(R"({"points":[{"key":1,"vector":[1]}]})"),
            "points[0].vector: 1 numbers, but the collection's vectors have 2");
  EXPECT_EQ(message(R"({"points":[{"key":1,"vector":[1,2],"score":1}]})"),
            "points[0]: \"score\" is not known here; a point has key, vector and payload");
  EXPECT_EQ(message(R"({"point":[]})"), "\"point\" is not known here; there may be points");
  EXPECT_EQ(message(R"({"points":[{"key":1,"vector":[1,2]},{"key":2,"vector":[1,2]},
                      {"key":3,"vector":[1,2]},{"key":4,"vector":[1,2]}]})"),
            "points[3].key: more than the 3 keys that one request may have");
}

TEST(JsonBody, WhatIsRequiredIsMissed) {
  Points points = points_of(ScalarType::kU8, 2);
  const Member members[] = {{"points", &points, true}};
  EXPECT_EQ(read_json_body("{}", members).message(), "points: is missing");
  EXPECT_TRUE(read_json_body(R"({"points":[]})", members));
}

TEST(JsonBody, DoesNotNestWithoutEnd) {
  Points points = points_of(ScalarType::kU8, 1);
  for (const char* unit : {"[", "{\"points\":", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += unit;
    EXPECT_FALSE(read(deep, points));
    EXPECT_FALSE(read(R"({"points":[{"key":1,"vector":[1],"payload":{"a":)" + deep, points));
  }
}

TEST(BinaryBody, NoPointsAreFine) {
  const RowShape shape = {ScalarType::kU8, 2, KeyType::kU64};
  const auto points = read_binary_points(std::string(8, '\0'), shape, 2);
  ASSERT_TRUE(points.is_ok()) << points.status().to_string();
  EXPECT_EQ(points->keys.size() + points->rows.rows(), 0u);
}

TEST(BinaryBody, ReadsWhatIsWholeAndNothingElse) {
  const RowShape shape = {ScalarType::kU8, 2, KeyType::kString};
  const std::string good =
      std::string("\2\0\0\0\0\0\0\0", 8) + std::string("\1\0a\2\0bc", 7) + "1234";
  const auto points = read_binary_points(good, shape, 2);
  ASSERT_TRUE(points.is_ok()) << points.status().to_string();
  EXPECT_EQ(points->keys.strings, (std::vector<std::string>{"a", "bc"}));
  EXPECT_EQ(std::memcmp(points->rows.data(), "1234", 4), 0);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(read_binary_points(good.substr(0, size), shape, 2).is_ok()) << size;
  }
  EXPECT_FALSE(read_binary_points(good + "5", shape, 2).is_ok());
  EXPECT_FALSE(read_binary_points(good, shape, 1).is_ok());
  EXPECT_FALSE(read_binary_points(std::string(8, '\xff'), shape, 2).is_ok());
  EXPECT_FALSE(read_binary_queries("123", shape, 9).is_ok());
  EXPECT_FALSE(read_binary_queries("", shape, 9).is_ok());
  EXPECT_FALSE(read_binary_queries("123456", shape, 2).is_ok());
  EXPECT_EQ(read_binary_queries("123456", shape, 3)->rows(), 3u);
}

}  // namespace
}  // namespace roxanne::server
