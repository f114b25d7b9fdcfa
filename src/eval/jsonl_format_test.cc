#include <gtest/gtest.h>
#include <zstd.h>

#include "eval/test_files.h"
#include "json/json_text.h"

namespace roxanne::eval {
namespace {

TEST(JsonlFormat, KeysAndPayloadsComeBack) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("x.jsonl");
  VectorBatch batch{ScalarType::kU8, 2, 3, {}, {}, {"a", "b \"quoted\"\n", "\xc3\xa9\x01"}, {}};
  for (int i = 1; i <= 6; i++) batch.data.push_back(static_cast<std::byte>(i));
  batch.payloads = {"{\"title\":\"x\"}", "", "{\"n\":[1,2.50,{\"t\":null}]}"};
  ASSERT_TRUE(write_file(path, {{}, ScalarType::kU8, 2}, {batch}).is_ok());
  const auto found = read_file(path, {{}, "", ScalarType::kU8, {}}, 2);
  ASSERT_EQ(found.status().to_string(), "ok");
  EXPECT_EQ(found->string_keys, batch.string_keys);
  EXPECT_EQ(found->payloads, batch.payloads);
  EXPECT_EQ(found->data, batch.data);
}

TEST(JsonlFormat, NumberKeysUpToTheLargestComeBack) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("x.jsonl");
  VectorBatch batch{ScalarType::kI8, 1, 3, std::vector<std::byte>(3), {}, {}, {}};
  batch.number_keys = {0, 9007199254740993u, std::numeric_limits<uint64_t>::max()};
  ASSERT_TRUE(write_file(path, {{}, ScalarType::kI8, 1}, {batch}).is_ok());
  const auto reader = open_vector_reader(path);
  EXPECT_EQ((*reader)->info().key_type, KeyType::kU64);
  const auto found = read_file(path);
  ASSERT_EQ(found.status().to_string(), "ok");
  EXPECT_EQ(found->number_keys, batch.number_keys);
}

TEST(JsonlFormat, LinesWithoutKeysHaveNone) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("x.ndjson");
  write_bytes(path,
              "\xef\xbb\xbf{\"vector\":[1]}\r\n\n  \n{ \"payload\" : null, \"vector\":[2.5]}");
  const auto found = read_file(path);
  ASSERT_EQ(found.status().to_string(), "ok");
  EXPECT_EQ(found->rows, 2u);
  EXPECT_TRUE(found->number_keys.empty() && found->string_keys.empty() && found->payloads.empty());
  EXPECT_FALSE((*open_vector_reader(path))->info().key_type.has_value());
}

TEST(JsonlFormat, PayloadKeepsNumbersOrderAndEscapes) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("x.jsonl");
  write_bytes(path,
              "{\"payload\": { \"b\" : 1.10, \"a\" : [ ] , \"\\u00e9\\n\": -0 , \"e\": 1E400, "
              "\"o\": {}, \"s\": \"\", \"l\": [true, false, null, [1, \"x\\\\\"]] }, "
              "\"vector\":[1]}\n");
  const auto found = read_file(path);
  ASSERT_EQ(found.status().to_string(), "ok");
  EXPECT_EQ(found->payloads[0],
            "{\"b\":1.10,\"a\":[],\"\xc3\xa9\\n\":-0,\"e\":1E400,\"o\":{},\"s\":\"\","
            "\"l\":[true,false,null,[1,\"x\\\\\"]]}");
}

TEST(JsonlFormat, BadLinesAreNamed) {
  const storage::TestDirectory directory;
  const std::string good = "{\"key\":1,\"vector\":[1,2]}\n";
  const struct {
    std::string line;
    const char* expected;
  } cases[] = {
      {"[1,2]", "expected an object, found an array"},
      {"3", "expected an object, found a number"},
      {"{\"key\":1}", "expected a vector, found none"},
      {"{\"key\":1,\"vector\":[]}", "at least one number"},
      {"{\"key\":1,\"vector\":[1]}", "expected 2 numbers as in the first row, found 1"},
      {"{\"key\":1,\"vector\":[1,2,3]}", "found 3"},
      {"{\"key\":1,\"vector\":[1,null]}", "expected only numbers, found null"},
      {"{\"key\":1,\"vector\":[1,[2]]}", "expected only numbers, found an array"},
      {"{\"key\":1,\"vector\":[1,\"2\"]}", "expected only numbers, found a string"},
      {"{\"key\":1,\"vector\":\"1,2\"}", "expected an array of numbers, found a string"},
      {"{\"key\":\"1\",\"vector\":[1,2]}", "expected a number as key as in the first row"},
      {"{\"vector\":[1,2]}", "found no key"},
      {"{\"key\":-1,\"vector\":[1,2]}", "found a negative number"},
      {"{\"key\":1.5,\"vector\":[1,2]}", "found a number with a fraction"},
      {"{\"key\":18446744073709551616,\"vector\":[1,2]}", "above 2^64 - 1"},
      {"{\"key\":null,\"vector\":[1,2]}", "found null"},
      {"{\"key\":{},\"vector\":[1,2]}", "found an object"},
      {"{\"key\":1,\"vector\":[1,2],\"payload\":3}", "payload: expected an object"},
      {"{\"key\":1,\"vector\":[1,2],\"payload\":[]}", "payload: expected an object"},
      {"{\"key\":1,\"key\":1,\"vector\":[1,2]}", "found key twice"},
      {"{\"id\":1,\"vector\":[1,2]}", "found \"id\""},
      {"{\"key\":1,\"vector\":[1,2]", "not JSON"},
      {"{\"key\":1,\"vector\":[1,2]}}", "found more behind it at byte 24"},
      {"{\"key\":1,\"vector\":[1,02]}", "not JSON"},
      {"{\"key\":1,\"vector\":[1,NaN]}", "not JSON"},
      {"{\"key\":1,\"vector\":[1,1e39]}", "expected f32 values, found 1e39 as number 2"},
      {"{\"key\":\"\xff\",\"vector\":[1,2]}", "not JSON"},
      {"{\"key\":\"" + std::string(513, 'k') + "\",\"vector\":[1,2]}", "at most 512 bytes"},
      {"{\"key\":1,\"vector\":[1,2],\"payload\":{\"a\":\"" + std::string(65536, 'p') + "\"}}",
       "payload: expected at most 65536 bytes"},
      {"{\"key\":1,\"vector\":[1,2],\"payload\":{\"a\":" + std::string(100, '[') + "}}",
       "not JSON"},
  };
  for (const auto& [line, expected] : cases) {
    expect_invalid(directory, "x.jsonl", good + "\n" + line + "\n", expected);
    expect_invalid(directory, "x.jsonl", good + "\n" + line + "\n", "line 3");
  }
  expect_invalid(directory, "x.jsonl", "", "expected at least one line with a JSON object");
  expect_invalid(directory, "x.jsonl", " \n\n", "expected at least one line with a JSON object");
}

TEST(JsonlFormat, NumbersMustFitTheScalarType) {
  const storage::TestDirectory directory;
  const auto read_as = [&](ScalarType type, const std::string& number) {
    write_bytes(directory.path("x.jsonl"), "{\"vector\":[" + number + "]}");
    return read_file(directory.path("x.jsonl"), {{}, "", type, {}});
  };
  for (const char* number : {"-1", "256", "1.5", "1e400", "-0.5", "99999999999999999999"}) {
    EXPECT_EQ(read_as(ScalarType::kU8, number).status().code(), StatusCode::kInvalidArgument)
        << number;
  }
  for (const char* number : {"-129", "128", "0.1"}) {
    EXPECT_FALSE(read_as(ScalarType::kI8, number).is_ok()) << number;
  }
  for (const char* number : {"65520", "-1e6"}) {
    EXPECT_FALSE(read_as(ScalarType::kF16, number).is_ok()) << number;
  }
  EXPECT_EQ(read_as(ScalarType::kU8, "2.55e2")->data[0], std::byte{255});
  EXPECT_EQ(read_as(ScalarType::kI8, "-128.0")->data[0], std::byte{0x80});
  EXPECT_TRUE(read_as(ScalarType::kF16, "65519.9").is_ok());
  const auto tiny = read_as(ScalarType::kF32, "1e-400");
  ASSERT_TRUE(tiny.is_ok());
  EXPECT_EQ(tiny->data, std::vector<std::byte>(4));
  // Halfway between two floats but for the last digit: rounding by way of a double gets it wrong.
  const auto close = read_as(ScalarType::kF32, "1.00000017881393432617187499");
  ASSERT_TRUE(close.is_ok());
  float value = 0;
  std::memcpy(&value, close->data.data(), sizeof value);
  EXPECT_EQ(value, 1.00000011920928955f);
}

TEST(JsonlFormat, LongestVectorFitsAndNoLonger) {
  const storage::TestDirectory directory;
  std::string line = "{\"vector\":[-1.23456789e-10";
  for (size_t i = 1; i < kDimMax; i++) line += ",-1.23456789e-10";
  write_bytes(directory.path("x.jsonl"), line + "]}");
  EXPECT_TRUE(read_status(directory.path("x.jsonl")).is_ok());
  expect_invalid(directory, "x.jsonl", line + ",1]}", "at most 16384 numbers");
}

TEST(JsonlFormat, WriterRefusesWhatJsonCannotHold) {
  const storage::TestDirectory directory;
  VectorBatch batch{ScalarType::kF32, 1, 1, std::vector<std::byte>(4), {}, {"\xff"}, {}};
  const std::string path = directory.path("x.jsonl");
  EXPECT_NE(write_file(path, {{}, ScalarType::kF32, 1}, {batch}).message().find("UTF-8"),
            std::string::npos);
  batch.string_keys.clear();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(batch.data.data(), &nan, sizeof nan);
  EXPECT_NE(write_file(path, {{}, ScalarType::kF32, 1}, {batch}).message().find("row 0: column 0"),
            std::string::npos);
}

TEST(JsonlFormat, CompressedFilesAreRead) {
  const storage::TestDirectory directory;
  std::string text;
  for (int i = 0; i < 5000; i++) text += "{\"key\":" + std::to_string(i) + ",\"vector\":[1,2]}\n";
  std::string compressed(ZSTD_compressBound(text.size()), '\0');
  compressed.resize(
      ZSTD_compress(compressed.data(), compressed.size(), text.data(), text.size(), 3));
  write_bytes(directory.path("x.jsonl.zst"), compressed + compressed);
  const auto found = read_file(directory.path("x.jsonl.zst"), {}, 1000);
  ASSERT_EQ(found.status().to_string(), "ok");
  EXPECT_EQ(found->rows, 10000u);
  EXPECT_EQ(found->number_keys[9999], 4999u);
  for (size_t bytes = 0; bytes < compressed.size(); bytes++) {
    expect_invalid(directory, "x.jsonl.zst", compressed.substr(0, bytes), "zstd");
  }
}

TEST(JsonText, KnowsUtf8) {
  for (const char* good :
       {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(json::is_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80",
        "\xf0\x80\x80\x80", "\xff", "\xc3\x28"}) {
    EXPECT_FALSE(json::is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace roxanne::eval
