// Files that lie: each gives an error that says what was expected where, and none a crash.
#include <gtest/gtest.h>

#include <limits>

#include "eval/test_files.h"

namespace roxanne::eval {
namespace {

std::string header(int32_t rows, int32_t dim) { return bytes_of_values<int32_t>({rows, dim}); }

TEST(HostileFiles, BinHeadersThatLie) {
  const storage::TestDirectory directory;
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  const std::string rows(24, 'r');
  for (const char* name : {"x.u8bin", "x.i8bin", "x.fbin", "x.f16bin"}) {
    expect_invalid(directory, name, "", "expected a header of 8 bytes at byte 0, found an empty");
    expect_invalid(directory, name, "1234567", "found 7 bytes");
    expect_invalid(directory, name, header(3, 0) + rows, "expected a dimension of 1 to 16384");
    expect_invalid(directory, name, header(3, -1) + rows, "expected a dimension of 1 to 16384");
    expect_invalid(directory, name, header(3, 16385) + rows, "expected a dimension of 1 to");
    expect_invalid(directory, name, header(kMost, kMost) + rows, "expected a dimension of 1 to");
    expect_invalid(directory, name, header(kMost, 3) + rows, "2147483647 rows of 3");
    expect_invalid(directory, name, header(-1, 16384) + rows, "4294967295 rows of 16384");
    expect_invalid(directory, name, header(0, 3) + rows, "0 rows of 3");
    expect_invalid(directory, name, header(25, 1) + rows, "(the file has 32 bytes)");
  }
}

TEST(HostileFiles, VecsRowsThatLie) {
  const storage::TestDirectory directory;
  const auto dim = [](int32_t value) { return bytes_of_values<int32_t>({value}); };
  expect_invalid(directory, "x.fvecs", "", "found an empty file");
  expect_invalid(directory, "x.fvecs", "123", "expected 4 bytes of the first row's dimension");
  for (const int32_t bad : {0, -1, 16385, std::numeric_limits<int32_t>::min()}) {
    expect_invalid(directory, "x.fvecs", dim(bad) + "1234", "at byte 0, found");
    expect_invalid(directory, "x.bvecs", dim(bad) + "1234", std::to_string(bad));
  }
  expect_invalid(directory, "x.bvecs", dim(4) + "1234" + dim(4) + "12", "expected rows of 8 bytes");
  expect_invalid(directory, "x.bvecs", dim(4) + "1234" + dim(3) + "1234",
                 "row 1: expected dimension 4 at byte 8 as in the first row, found 3");
}

std::string npy(const std::string& text, const std::string& rows = "", int version = 1) {
  std::string bytes("\x93NUMPY");
  bytes += static_cast<char>(version);
  bytes += '\0';
  const auto size = static_cast<uint32_t>(text.size());
  bytes.append(reinterpret_cast<const char*>(&size), version == 1 ? 2 : 4);
  return bytes + text + rows;
}

TEST(HostileFiles, NpyHeadersThatLie) {
  const storage::TestDirectory directory;
  const auto field = [](const std::string& type, const std::string& order,
                        const std::string& shape) {
    return "{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
  };
  const std::string rows(24, 'r');
  const struct {
    std::string bytes;
    const char* expected;
  } cases[] = {
      {"", "found an empty file"},
      {"\x93NUM", "expected 8 bytes of npy header"},
      {std::string("PK\x03\x04 zipped.npz"), "this is not an npy file"},
      {npy("{}", "", 4), "expected npy version 1.0, 2.0 or 3.0 at byte 6, found 4.0"},
      {std::string("\x93NUMPY\x01\x00\xff\xff{}", 12), "expected a header of 65535 bytes"},
      {std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff{}", 14), "found 4294967295"},
      {std::string("\x93NUMPY\x02\x00\x01", 9), "expected 4 bytes of npy header length"},
      {npy(field("'<f4'", "True", "(2, 3)"), rows), "expected rows in C order"},
      {npy(field("'>f4'", "False", "(2, 3)"), rows), "big-endian"},
      {npy(field("'<f8'", "False", "(1, 3)"), rows), ".astype('float32')"},
      {npy(field("'<U3'", "False", "(1, 2)"), rows), "found '<U3'"},
      {npy(field("[('x', '<f4')]", "False", "(2, 3)"), rows), "expected a quoted string"},
      {npy(field("'<f4'", "False", "(6,)"), rows), "found 1 dimensions"},
      {npy(field("'<f4'", "False", "(1, 2, 3)"), rows), "found 3 dimensions"},
      {npy(field("'<f4'", "False", "()"), rows), "found 0 dimensions"},
      {npy(field("'<f4'", "False", "(-1, 3)"), rows), "expected a count below 2^64"},
      {npy(field("'<f4'", "False", "(99999999999999999999, 3)"), rows), "below 2^64"},
      {npy(field("'<f4'", "False", "(1000000000000000000, 3)"), rows), "1000000000000000000 rows"},
      {npy(field("'<f4'", "False", "(4611686018427387905, 4)"), rows), "expected so many"},
      {npy(field("'<f4'", "False", "(6, 0)"), rows), "expected a dimension of 1 to"},
      {npy(field("'<f4'", "False", "(2, 3"), rows), "expected"},
      {npy(field("'<f4", "False", "(2, 3)"), rows), "expected"},
      {npy(field("'<f4'", "Maybe", "(2, 3)"), rows), "expected True or False"},
      {npy("{'descr': '<f4'", rows), "expected \",\" or \"}\""},
      {npy("{'descr': '<f4', 'descr': '<f4'}", rows), "once each"},
      {npy("{'dtype': '<f4'}", rows), "expected descr, fortran_order or shape"},
      {npy(field("'<f4'", "False", "(2, 3)") + "x", rows), "only spaces"},
  };
  for (const auto& [bytes, expected] : cases) {
    expect_invalid(directory, "x.npy", bytes, expected);
  }
}

TEST(HostileFiles, NpyOfEveryVersionAndSpellingIsRead) {
  const storage::TestDirectory directory;
  const std::string rows(6, 'r');
  for (const int version : {1, 2, 3}) {
    for (const char* type : {"|u1", "<u1", "u1", "uint8", "int8"}) {
      const std::string text =
          "{\"shape\": (2L,3), 'fortran_order':False,'descr':'" + std::string(type) + "'}   \n";
      write_bytes(directory.path("x.npy"), npy(text, rows, version));
      const auto found = read_file(directory.path("x.npy"));
      ASSERT_EQ(found.status().to_string(), "ok") << version << type;
      EXPECT_EQ(found->rows, 2u);
      EXPECT_EQ(found->dim, 3u);
    }
  }
}

}  // namespace
}  // namespace roxanne::eval
