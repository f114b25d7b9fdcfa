#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "eval/hdf5_dataset.h"
#include "eval/hdf5_stream.h"
#include "eval/test_files.h"

namespace roxanne::eval {
namespace {

// A file with the datasets that `add` puts in it.
template <typename Add>
void make_file(const std::string& path, Add add) {
  const std::lock_guard lock(hdf5_mutex());
  const Hdf5Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  ASSERT_TRUE(file.is_open());
  add(file.id());
}

struct DatasetPlan {
  std::string name = "train";
  hid_t type = H5T_IEEE_F32LE;
  std::vector<hsize_t> extent;
  std::vector<hsize_t> chunk = {};
  unsigned deflate_level = 0;
  std::string other_file = {};
};

// Written from `rows`, which may be null: then nothing is.
void add_dataset(hid_t file, const DatasetPlan& plan, hid_t memory_type, const void* rows) {
  const int rank = static_cast<int>(plan.extent.size());
  const Hdf5Handle space(H5Screate_simple(rank, plan.extent.data(), nullptr), H5Sclose);
  const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  if (!plan.chunk.empty()) H5Pset_chunk(properties.id(), rank, plan.chunk.data());
  if (plan.deflate_level > 0) H5Pset_deflate(properties.id(), plan.deflate_level);
  if (!plan.other_file.empty()) {
    H5Pset_external(properties.id(), plan.other_file.c_str(), 0, H5F_UNLIMITED);
  }
  const Hdf5Handle dataset(H5Dcreate2(file, plan.name.c_str(), plan.type, space.id(), H5P_DEFAULT,
                                      properties.id(), H5P_DEFAULT),
                           H5Dclose);
  ASSERT_TRUE(dataset.is_open());
  if (rows == nullptr) return;
  ASSERT_GE(H5Dwrite(dataset.id(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), 0);
}

void expect_refused(const std::string& path, const std::string& expected,
                    const std::string& dataset = "train") {
  const Status status = read_status(path, {FileFormat::kHdf5, dataset, ScalarType::kF32, {}});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.to_string();
  EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
  EXPECT_NE(status.message().find(expected), std::string::npos)
      << "expected \"" << expected << "\" in: " << status.message();
}

TEST(Hdf5Format, EveryLayoutIsRead) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("x.hdf5");
  std::vector<float> rows(100 * 7);
  for (size_t i = 0; i < rows.size(); i++) rows[i] = static_cast<float>(i) * 0.25f;
  const DatasetPlan plans[] = {
      {"train", H5T_IEEE_F32LE, {100, 7}},
      {"train", H5T_IEEE_F32BE, {100, 7}},
      {"train", H5T_IEEE_F32LE, {100, 7}, {9, 7}},
      {"train", H5T_IEEE_F32LE, {100, 7}, {100, 2}, 6},
      {"train", H5T_IEEE_F32LE, {100, 7}, {7, 3}, 1},
  };
  for (const DatasetPlan& plan : plans) {
    make_file(path, [&](hid_t file) { add_dataset(file, plan, H5T_NATIVE_FLOAT, rows.data()); });
    const auto found = read_file(path, {}, 17);
    ASSERT_EQ(found.status().to_string(), "ok");
    ASSERT_EQ(found->data.size(), rows.size() * sizeof(float));
    EXPECT_EQ(std::memcmp(found->data.data(), rows.data(), found->data.size()), 0);
  }
}

TEST(Hdf5Format, DatasetsOfTheWrongKindAreRefused) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("x.hdf5");
  const std::string other = directory.path("other");
  write_bytes(other, std::string(4096, 'x'));
  std::vector<float> rows(256, 1.0f);
  make_file(path, [&](hid_t file) {
    const auto add = [&](const DatasetPlan& plan) {
      add_dataset(file, plan, H5T_NATIVE_FLOAT, rows.data());
    };
    add({"doubles", H5T_IEEE_F64LE, {4, 4}});
    add({"ints", H5T_STD_I32LE, {4, 4}});
    add({"flat", H5T_IEEE_F32LE, {16}});
    add({"cube", H5T_IEEE_F32LE, {2, 2, 4}});
    add({"wide", H5T_IEEE_F32LE, {1, 256}, {1, 256}});
    add_dataset(file, {"unwritten", H5T_IEEE_F32LE, {4, 4}}, H5T_NATIVE_FLOAT, nullptr);
    add_dataset(file, {"sparse", H5T_IEEE_F32LE, {1000000000000, 4}, {16, 4}}, H5T_NATIVE_FLOAT,
                nullptr);
    add_dataset(file, {"bulky", H5T_IEEE_F32LE, {1000000000, 4}, {100000000, 4}}, H5T_NATIVE_FLOAT,
                nullptr);
    add_dataset(file, {"no_columns", H5T_IEEE_F32LE, {4, 0}}, H5T_NATIVE_FLOAT, nullptr);
    add_dataset(file, {"too_wide", H5T_IEEE_F32LE, {4, 20000}}, H5T_NATIVE_FLOAT, nullptr);
    add_dataset(file, {"elsewhere", H5T_IEEE_F32LE, {4, 4}, {}, 0, other}, H5T_NATIVE_FLOAT,
                nullptr);
    H5Gclose(H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Lcreate_external(path.c_str(), "wide", file, "link", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file, "dangling", H5P_DEFAULT, H5P_DEFAULT);
  });
  expect_refused(path, "found bulky, cube, doubles, elsewhere, flat, ints");
  expect_refused(path, "expected the name", "");
  expect_refused(path, "found floats of 64 bits", "doubles");
  expect_refused(path, "found integers of 32 bits", "ints");
  expect_refused(path, "expected 2 dimensions (rows, dimension), found 1", "flat");
  expect_refused(path, "expected 2 dimensions (rows, dimension), found 3", "cube");
  expect_refused(path, "found 0 bytes written", "unwritten");
  expect_refused(path, "chunks, found 0 written", "sparse");
  expect_refused(path, "expected chunks of at most", "bulky");
  expect_refused(path, "dimension 1 to 16384, found 0", "no_columns");
  expect_refused(path, "dimension 1 to 16384, found 20000", "too_wide");
  expect_refused(path, "found other files", "elsewhere");
  expect_refused(path, "does not open it", "group");
  expect_refused(path, "expected a dataset \"link\"", "link");
  expect_refused(path, "expected a dataset \"dangling\"", "dangling");
  EXPECT_TRUE(read_status(path, {{}, "/wide", ScalarType::kF32, {}}).is_ok());
}

TEST(Hdf5Format, WhatIsNotHdf5IsRefused) {
  const storage::TestDirectory directory;
  expect_invalid(directory, "x.hdf5", "", "found an empty file");
  expect_invalid(directory, "x.hdf5", std::string(5000, 'x'), "this is not an HDF5 file");
  const std::string signature = "\x89HDF\r\n\x1a\n";
  expect_invalid(directory, "x.hdf5", signature, "what libhdf5 does not open");
  expect_invalid(directory, "x.hdf5", signature + std::string(5000, '\xff'),
                 "what libhdf5 does not open");
}

// Whatever the library does with the file, this process lives and says what happened.
TEST(Hdf5Format, EveryDamagedByteOfTheMetadataIsSurvived) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("x.hdf5");
  std::mt19937_64 random(41);
  ASSERT_TRUE(
      write_file(path, {{}, ScalarType::kU8, 3}, {random_batch(ScalarType::kU8, 4, 3, random)})
          .is_ok());
  const std::string whole = read_bytes(path);
  size_t readable = 0;
  for (size_t at = 0; at < 2400; at += 1 + random() % 12) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ static_cast<char>(1 + random() % 255));
    write_bytes(path, damaged);
    const Status status = read_status(path);
    if (status.is_ok()) readable++;
    EXPECT_TRUE(status.is_ok() || status.code() == StatusCode::kInvalidArgument)
        << at << ": " << status.to_string();
  }
  EXPECT_GT(readable, 0u);  // bytes that nobody uses
}

TEST(Hdf5Format, CrashOfTheLibraryIsAnError) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("x.hdf5");
  std::mt19937_64 random(43);
  ASSERT_TRUE(write_file(path, {{}, ScalarType::kF32, 100},
                         {random_batch(ScalarType::kF32, 30000, 100, random)})
                  .is_ok());
  auto reader = open_vector_reader(path);
  ASSERT_TRUE(reader.is_ok());
  VectorBatch batch;
  ASSERT_TRUE((*reader)->read(10, batch).is_ok());
  // The only child of this process is the one that reads.
  std::string children = read_bytes("/proc/self/task/" + std::to_string(getpid()) + "/children");
  if (children.empty()) GTEST_SKIP() << "this kernel does not list children";
  ASSERT_EQ(kill(std::stoi(children), SIGSEGV), 0);
  const Status status = (*reader)->read(30000, batch);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("the HDF5 library crashed"), std::string::npos)
      << status.to_string();
}

// Files that crash libhdf5 1.10.8 or make it ask for 25 GB, depending on what its memory held
// before. The promise is only that this process lives and names the file.
TEST(Hdf5Format, FilesThatBreakTheLibraryAreSurvived) {
  for (const char* name : {"crashes_library", "asks_for_25_gb"}) {
    const std::string path = std::string(ROX_SOURCE_DIR) + "/fuzz/corpus/fuzz_hdf5/" + name;
    ASSERT_TRUE(std::filesystem::exists(path));
    const Status status = read_status(path, {FileFormat::kHdf5, "train", ScalarType::kF32, {}});
    if (status.is_ok()) continue;
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.to_string();
    EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
  }
}

TEST(Hdf5Format, GroundTruthComesWithAndWithoutDistances) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("gt.hdf5");
  const std::vector<int64_t> ids = {1, 2, 3, 4294967295, 5, 6};
  const std::vector<double> distances = {0, 0.5, 1, 1.5, 2, 2.5};
  const auto make = [&](hid_t id_type, const std::vector<int64_t>& values, bool with_distances) {
    make_file(path, [&](hid_t file) {
      add_dataset(file, {"neighbors", id_type, {2, 3}}, H5T_NATIVE_INT64, values.data());
      if (!with_distances) return;
      add_dataset(file, {"distances", H5T_IEEE_F64LE, {2, 3}}, H5T_NATIVE_DOUBLE, distances.data());
    });
  };
  for (const hid_t type : {H5T_STD_I64LE, H5T_STD_U32LE, H5T_STD_U64BE}) {
    make(type, ids, true);
    const auto found = read_ground_truth(path);
    ASSERT_EQ(found.status().to_string(), "ok");
    EXPECT_EQ(found->queries, 2u);
    EXPECT_EQ(found->ids, (std::vector<uint32_t>{1, 2, 3, 4294967295, 5, 6}));
    EXPECT_EQ(found->distances, (std::vector<float>{0, 0.5f, 1, 1.5f, 2, 2.5f}));
  }
  make(H5T_STD_I64LE, ids, false);
  EXPECT_TRUE(read_ground_truth(path)->distances.empty());
  make(H5T_STD_I32LE, {1, 2, 3, -1, 5, 6}, true);
  const Status status = read_ground_truth(path).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("found -1 at query 1"), std::string::npos) << status.message();
  make(H5T_IEEE_F32LE, ids, true);
  EXPECT_NE(read_ground_truth(path).status().message().find("row ids as integers"),
            std::string::npos);
}

TEST(Hdf5Format, WriterTakesAnyDatasetName) {
  const storage::TestDirectory directory;
  const std::string path = directory.path("x.h5");
  std::mt19937_64 random(47);
  const VectorBatch batch = random_batch(ScalarType::kI8, 5, 4, random);
  ASSERT_TRUE(write_file(path, {{}, ScalarType::kI8, 4, "a/b"}, {batch}).is_ok());
  const auto found = read_file(path, {{}, "a/b", ScalarType::kF32, {}});
  ASSERT_EQ(found.status().to_string(), "ok");
  EXPECT_EQ(found->data, batch.data);
  EXPECT_FALSE(open_vector_writer(path, {{}, ScalarType::kI8, 4, ""}).is_ok());
}

}  // namespace
}  // namespace roxanne::eval
