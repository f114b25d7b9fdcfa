#include "eval/vector_io.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "eval/test_files.h"

namespace roxanne::eval {
namespace {

struct Kind {
  std::string suffix;
  ScalarType type;
};

std::vector<Kind> all_kinds() {
  std::vector<Kind> kinds = {{"u8bin", ScalarType::kU8},  {"i8bin", ScalarType::kI8},
                             {"fbin", ScalarType::kF32},  {"f16bin", ScalarType::kF16},
                             {"fvecs", ScalarType::kF32}, {"bvecs", ScalarType::kU8}};
  for (const ScalarType type : kAllScalarTypes) {
    for (const char* suffix : {"npy", "hdf5", "jsonl"}) kinds.push_back({suffix, type});
  }
  return kinds;
}

std::string name_of(const Kind& kind) {
  return std::string(scalar_type_name(kind.type)) + "." + kind.suffix;
}

TEST(VectorIo, EveryFormatGivesBackWhatWasWritten) {
  const storage::TestDirectory directory;
  for (uint64_t seed = 1; seed <= 6; seed++) {
    std::mt19937_64 random(seed);
    for (const Kind& kind : all_kinds()) {
      SCOPED_TRACE(name_of(kind) + " seed " + std::to_string(seed));
      const size_t dim = 1 + random() % 70;
      std::vector<VectorBatch> batches;
      std::vector<std::byte> expected;
      for (size_t i = 0; i < 1 + seed % 3; i++) {
        batches.push_back(random_batch(kind.type, 1 + random() % 40, dim, random));
        expected.insert(expected.end(), batches[i].data.begin(), batches[i].data.end());
      }
      const std::string path = directory.path(name_of(kind));
      ASSERT_EQ(write_file(path, {{}, kind.type, dim}, batches).to_string(), "ok");
      EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
      const auto found = read_file(path, {{}, "train", kind.type, dim}, 1 + random() % 50);
      ASSERT_EQ(found.status().to_string(), "ok");
      EXPECT_EQ(found->type, kind.type);
      EXPECT_EQ(found->dim, dim);
      EXPECT_EQ(found->data, expected);
    }
  }
}

TEST(VectorIo, HeadersSayTheRowsOfTheFile) {
  const storage::TestDirectory directory;
  std::mt19937_64 random(7);
  for (const Kind& kind : all_kinds()) {
    const std::string path = directory.path(name_of(kind));
    ASSERT_TRUE(
        write_file(path, {{}, kind.type, 5}, {random_batch(kind.type, 9, 5, random)}).is_ok());
    const auto reader = open_vector_reader(path);
    ASSERT_EQ(reader.status().to_string(), "ok");
    EXPECT_EQ((*reader)->info().dim, 5u);
    const bool is_stream = kind.suffix == "jsonl";
    EXPECT_EQ((*reader)->info().rows.value_or(0), is_stream ? 0u : 9u) << name_of(kind);
  }
}

TEST(VectorIo, FilesWithoutRowsAreFineWhereTheHeaderHasTheDimension) {
  const storage::TestDirectory directory;
  for (const Kind& kind : all_kinds()) {
    const std::string path = directory.path(name_of(kind));
    ASSERT_TRUE(write_file(path, {{}, kind.type, 5}, {}).is_ok());
    const bool has_header = kind.suffix != "jsonl" && !kind.suffix.ends_with("vecs");
    const auto found = read_file(path);
    EXPECT_EQ(found.is_ok(), has_header) << name_of(kind) << found.status().to_string();
  }
}

TEST(VectorIo, EveryCutOfAFileIsRefused) {
  const storage::TestDirectory directory;
  std::mt19937_64 random(11);
  for (const Kind& kind : all_kinds()) {
    const std::string path = directory.path(name_of(kind));
    ASSERT_TRUE(
        write_file(path, {{}, kind.type, 3}, {random_batch(kind.type, 4, 3, random)}).is_ok());
    const std::string whole = read_bytes(path);
    // libhdf5 checks the length first; each try is a process.
    const size_t step = kind.suffix == "hdf5" ? 4099 : 1;
    for (size_t bytes = 0; bytes < whole.size(); bytes += step) {
      write_bytes(path, whole.substr(0, bytes));
      const Status status = read_status(path, {{}, "train", kind.type, {}});
      const bool may_be_whole =
          kind.suffix == "jsonl"
              ? bytes > 0 && (whole[bytes - 1] == '\n' || whole[bytes] == '\n')
              : kind.suffix.ends_with("vecs") && bytes > 0 && bytes % (whole.size() / 4) == 0;
      EXPECT_EQ(status.code(), may_be_whole ? StatusCode::kOk : StatusCode::kInvalidArgument)
          << name_of(kind) << " cut to " << bytes << ": " << status.to_string();
    }
  }
}

TEST(VectorIo, ExtraBytesAreRefused) {
  const storage::TestDirectory directory;
  std::mt19937_64 random(13);
  for (const Kind& kind : all_kinds()) {
    if (kind.suffix == "hdf5") continue;  // the format allows bytes behind its end
    const std::string path = directory.path(name_of(kind));
    ASSERT_TRUE(
        write_file(path, {{}, kind.type, 3}, {random_batch(kind.type, 4, 3, random)}).is_ok());
    write_bytes(path, read_bytes(path) + "x");
    EXPECT_EQ(read_status(path).code(), StatusCode::kInvalidArgument) << name_of(kind);
  }
}

TEST(VectorIo, WriterWithoutFinishLeavesNothingAndKeepsTheOldFile) {
  const storage::TestDirectory directory;
  std::mt19937_64 random(17);
  for (const Kind& kind : all_kinds()) {
    const std::string path = directory.path(name_of(kind));
    write_bytes(path, "old");
    {
      auto writer = open_vector_writer(path, {{}, kind.type, 3});
      ASSERT_EQ(writer.status().to_string(), "ok");
      ASSERT_TRUE((*writer)->append(random_batch(kind.type, 2, 3, random)).is_ok());
      EXPECT_TRUE(std::filesystem::exists(path + ".tmp"));
    }
    EXPECT_FALSE(std::filesystem::exists(path + ".tmp")) << name_of(kind);
    EXPECT_EQ(read_bytes(path), "old");
  }
}

TEST(VectorIo, WriterRefusesOtherRowsThanPromised) {
  const storage::TestDirectory directory;
  std::mt19937_64 random(19);
  for (const Kind& kind : all_kinds()) {
    auto writer = open_vector_writer(directory.path(name_of(kind)), {{}, kind.type, 3});
    ASSERT_TRUE(writer.is_ok());
    const Status status = (*writer)->append(random_batch(kind.type, 2, 4, random));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  }
}

TEST(VectorIo, WriterRefusesWhatTheFormatOrThePathCannotHold) {
  const storage::TestDirectory directory;
  const auto refused = [&](const std::string& path, const WriterOptions& options) {
    return open_vector_writer(path, options).status().message();
  };
  const std::string path = directory.path("x.fvecs");
  EXPECT_NE(refused(path, {{}, ScalarType::kU8, 3}).find("fvecs holds f32"), std::string::npos);
  EXPECT_NE(refused(path, {{}, ScalarType::kF32, 0}).find("dimension"), std::string::npos);
  EXPECT_NE(refused(path, {{}, ScalarType::kF32, kDimMax + 1}).find("dimension"),
            std::string::npos);
  EXPECT_NE(refused("-", {FileFormat::kNpy, ScalarType::kF32, 3}).find("jsonl only"),
            std::string::npos);
  EXPECT_NE(refused("/dev/null", {FileFormat::kNpy, ScalarType::kF32, 3}).find("regular file"),
            std::string::npos);
  EXPECT_NE(refused(directory.path("x.jsonl.zst"), {{}, ScalarType::kF32, 3}).find("not written"),
            std::string::npos);
  EXPECT_NE(refused(directory.path(), {FileFormat::kNpy, ScalarType::kF32, 3}).find("regular file"),
            std::string::npos);
}

TEST(VectorIo, FormatComesFromTheSuffix) {
  const auto format = [](const std::string& path) { return format_of_path(path); };
  EXPECT_EQ(*format("a/b.c/base.u8bin"), FileFormat::kU8bin);
  EXPECT_EQ(*format("x.H5"), FileFormat::kHdf5);
  EXPECT_EQ(*format("x.ndjson"), FileFormat::kJsonl);
  EXPECT_EQ(*format("x.jsonl.zst"), FileFormat::kJsonl);
  for (const char* path : {"x.bin", "x", "a.npy/x", "x.ivecs", "x.csv", "", "x.zst", "."}) {
    const Status status = format(path).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << path;
    EXPECT_NE(status.message().find(file_format_names()), std::string::npos) << path;
  }
  for (const Kind& kind : all_kinds()) {
    const auto found = parse_file_format(kind.suffix);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(file_format_name(*found), kind.suffix);
  }
  EXPECT_FALSE(parse_file_format("FBIN").has_value());
}

TEST(VectorIo, FormatNamedOverridesTheSuffix) {
  const storage::TestDirectory directory;
  std::mt19937_64 random(23);
  const std::string path = directory.path("base.bin");
  const VectorBatch batch = random_batch(ScalarType::kI8, 4, 3, random);
  ASSERT_TRUE(write_file(path, {FileFormat::kI8bin, ScalarType::kI8, 3}, {batch}).is_ok());
  const auto found = read_file(path, {FileFormat::kI8bin, "", ScalarType::kF32, {}});
  ASSERT_TRUE(found.is_ok());
  EXPECT_EQ(found->data, batch.data);
}

TEST(VectorIo, ReaderRefusesOtherDimensionMissingFileAndDirectory) {
  const storage::TestDirectory directory;
  std::mt19937_64 random(29);
  for (const Kind& kind : all_kinds()) {
    const std::string path = directory.path(name_of(kind));
    const Status missing = read_status(path);
    EXPECT_EQ(missing.code(), StatusCode::kNotFound) << missing.to_string();
    ASSERT_TRUE(
        write_file(path, {{}, kind.type, 3}, {random_batch(kind.type, 4, 3, random)}).is_ok());
    const Status status = read_status(path, {{}, "train", kind.type, 4});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("dimension 4, found 3"), std::string::npos);
    const ReaderOptions named{parse_file_format(kind.suffix), "train", kind.type, {}};
    const Status folder = read_status(directory.path(), named);
    EXPECT_NE(folder.message().find("a directory"), std::string::npos) << folder.to_string();
  }
}

}  // namespace
}  // namespace roxanne::eval
