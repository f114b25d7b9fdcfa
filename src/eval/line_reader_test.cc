#include <gtest/gtest.h>
#include <zstd.h>

#include "eval/test_files.h"

namespace roxanne::eval {
namespace {

Result<std::vector<std::string>> read_lines(const std::string& path) {
  auto reader = open_line_reader(path);
  if (!reader.is_ok()) return reader.status();
  std::vector<std::string> lines;
  std::string line;
  for (;;) {
    const Result<bool> more = (*reader)->next(line);
    if (!more.is_ok()) return more.status();
    if (!*more) return lines;
    lines.push_back(line);
  }
}

using Lines = std::vector<std::string>;

TEST(LineReader, SplitsAtEveryKindOfEnd) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("keys");
  const std::pair<std::string, Lines> cases[] = {
      {"", {}},
      {"\n", {""}},
      {"a", {"a"}},
      {"a\n", {"a"}},
      {"a\r\nb", {"a", "b"}},
      {"a\n\nb\n", {"a", "", "b"}},
      {"\xef\xbb\xbf"
       "7\n8",
       {"7", "8"}},
  };
  for (const auto& [bytes, expected] : cases) {
    write_bytes(path, bytes);
    const auto found = read_lines(path);
    ASSERT_EQ(found.status().to_string(), "ok");
    EXPECT_EQ(*found, expected) << bytes;
  }
}

TEST(LineReader, LinesOfAnyLengthUpToTheLimit) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("keys");
  std::mt19937_64 random(31);
  Lines expected;
  std::string text;
  for (const size_t bytes : {size_t{1}, size_t{65535}, size_t{65536}, size_t{65537}, size_t{0},
                             LineReader::kLineBytesMax, size_t{3}}) {
    expected.push_back(std::string(bytes, static_cast<char>('a' + random() % 26)));
    text += expected.back() + "\n";
  }
  write_bytes(path, text);
  const auto found = read_lines(path);
  ASSERT_EQ(found.status().to_string(), "ok");
  EXPECT_TRUE(*found == expected);

  for (const char* end : {"", "\n", "\nx\n"}) {
    write_bytes(path, "1\n" + std::string(LineReader::kLineBytesMax + 1, 'x') + end);
    const Status status = read_lines(path).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("line 2: expected its end"), std::string::npos)
        << status.message();
  }
}

TEST(LineReader, CompressedLinesAndTheirCuts) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("keys.zst");
  std::string text;
  for (int i = 0; i < 300; i++) text += std::to_string(i * i) + "\n";
  std::string compressed(ZSTD_compressBound(text.size()), '\0');
  compressed.resize(
      ZSTD_compress(compressed.data(), compressed.size(), text.data(), text.size(), 3));
  for (size_t bytes = 0; bytes <= compressed.size(); bytes++) {
    write_bytes(path, compressed.substr(0, bytes));
    const auto found = read_lines(path);
    EXPECT_EQ(found.is_ok(), bytes == compressed.size()) << bytes;
    const StatusCode expected = found.is_ok() ? StatusCode::kOk : StatusCode::kInvalidArgument;
    EXPECT_EQ(found.status().code(), expected);
  }
  write_bytes(path, compressed + "rubbish");
  EXPECT_EQ(read_lines(path).status().code(), StatusCode::kInvalidArgument);
  write_bytes(path, text);
  EXPECT_EQ(read_lines(path).status().code(), StatusCode::kInvalidArgument);
}

TEST(LineReader, MissingFileAndDirectory) {
  const storage::TestDirectory directory;
  EXPECT_EQ(read_lines(directory.path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(read_lines(directory.path()).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace roxanne::eval
