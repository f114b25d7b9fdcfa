#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <limits>

#include "eval/test_files.h"

namespace roxanne::eval {
namespace {

GroundTruth sample() {
  GroundTruth truth{2, 3, {1, 2, 3, 2147483647, 5, 6}, {0, 1.5f, 2, -3, -2, -1}};
  return truth;
}

TEST(GroundTruthFile, GtBinComesBack) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("gt.bin");
  GroundTruth truth = sample();
  truth.ids[0] = std::numeric_limits<uint32_t>::max();
  ASSERT_TRUE(write_ground_truth(path, truth).is_ok());
  const auto found = read_ground_truth(path);
  ASSERT_EQ(found.status().to_string(), "ok");
  EXPECT_EQ(found->queries, 2u);
  EXPECT_EQ(found->k, 3u);
  EXPECT_EQ(found->ids, truth.ids);
  EXPECT_EQ(found->distances, truth.distances);
}

TEST(GroundTruthFile, IvecsComesBackWithoutDistances) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("gt.ivecs");
  ASSERT_TRUE(write_ground_truth(path, sample()).is_ok());
  const auto found = read_ground_truth(path);
  ASSERT_EQ(found.status().to_string(), "ok");
  EXPECT_EQ(found->ids, sample().ids);
  EXPECT_TRUE(found->distances.empty());
}

TEST(GroundTruthFile, WhatAFormatCannotHoldIsRefused) {
  const storage::TestDirectory directory;
  GroundTruth truth = sample();
  EXPECT_FALSE(write_ground_truth(directory.path("gt.hdf5"), truth).is_ok());
  truth.ids[4] = 2147483648u;
  EXPECT_FALSE(write_ground_truth(directory.path("gt.ivecs"), truth).is_ok());
  truth.distances.clear();
  EXPECT_FALSE(write_ground_truth(directory.path("gt.bin"), truth).is_ok());
  truth.ids.pop_back();
  EXPECT_FALSE(write_ground_truth(directory.path("gt.ivecs"), truth).is_ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(GroundTruthFile, EveryCutAndExtraByteIsRefused) {
  const storage::TestDirectory directory;
  for (const char* name : {"gt.bin", "gt.ivecs"}) {
    const std::string path = directory.path(name);
    ASSERT_TRUE(write_ground_truth(path, sample()).is_ok());
    const std::string whole = read_bytes(path);
    for (size_t bytes = 0; bytes <= whole.size() + 1; bytes++) {
      write_bytes(path, (whole + "x").substr(0, bytes));
      const Status status = read_ground_truth(path).status();
      const bool is_whole = bytes == whole.size() || (bytes == 16 && name[3] == 'i');
      EXPECT_EQ(status.code(), is_whole ? StatusCode::kOk : StatusCode::kInvalidArgument)
          << name << " " << bytes << ": " << status.to_string();
    }
  }
}

TEST(GroundTruthFile, HeadersThatLie) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("gt.bin");
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  for (const auto& [queries, k] : std::vector<std::pair<int32_t, int32_t>>{
           {kMost, kMost}, {-1, -1}, {1, 0}, {0, 0}, {0, 3}, {3, 0}, {3, 2}, {1 << 30, 1 << 30}}) {
    write_bytes(path, bytes_of_values<int32_t>({queries, k}) + std::string(24, 'x'));
    const Status status = read_ground_truth(path).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << queries << " " << k;
  }
  write_bytes(directory.path("x.ivecs"), bytes_of_values<int32_t>({2, 7, -1}));
  const Status status = read_ground_truth(directory.path("x.ivecs")).status();
  EXPECT_NE(status.message().find("expected a row id at byte 8, found -1"), std::string::npos);
}

std::string data_folder() {
  const char* named = std::getenv("ROX_DATA");
  return named != nullptr ? named : std::string(ROX_SOURCE_DIR) + "/../shared/data";
}

TEST(GroundTruthFile, RealSetsAreRead) {
  const struct {
    const char* folder;
    const char* base;
    size_t queries;
  } sets[] = {{"sift-1m", "base.u8bin", 10000},
              {"mnist", "base.u8bin", 10000},
              {"docs-minilm", "base.f16bin", 5000}};
  if (!std::filesystem::exists(data_folder())) {
    GTEST_SKIP() << "NO REAL DATA: set ROX_DATA to its folder (looked in " << data_folder() << ")";
  }
  for (const auto& [folder, base, queries] : sets) {
    const std::string path = data_folder() + "/" + folder;
    const auto truth = read_ground_truth(path + "/gt.bin");
    ASSERT_EQ(truth.status().to_string(), "ok");
    EXPECT_EQ(truth->queries, queries);
    const auto reader = open_vector_reader(path + "/" + base);
    ASSERT_EQ(reader.status().to_string(), "ok");
    for (const uint32_t id : truth->ids) ASSERT_LT(id, *(*reader)->info().rows);
    for (size_t i = 0; i < truth->ids.size(); i++) {
      const bool starts_a_query = i % truth->k == 0;
      ASSERT_TRUE(starts_a_query || truth->distances[i] >= truth->distances[i - 1]) << path << i;
    }
  }
}

}  // namespace
}  // namespace roxanne::eval
