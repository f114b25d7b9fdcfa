// Builds of disk indexes: the same files on any number of threads; nothing left where they fail.
#include "index/disk_build.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "index/disk_build_bytes.h"
#include "index/test_disk_index.h"
#include "storage/simulated_file_system.h"
#include "storage/test_directory.h"
#include "storage/test_fault_places.h"

namespace roxanne::index {
namespace {

std::string bytes_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> names_in(storage::FileSystem& file_system, const std::string& folder) {
  const auto names = *file_system.list(folder);
  return {names.begin(), names.end()};
}

// Both files, one behind the other.
std::string built_bytes(const NamedRows& rows, Metric metric, const DiskBuildOptions& options) {
  storage::TestDirectory directory;
  const auto built =
      build_disk(storage::posix_file_system(), directory.path(), rows, metric, options);
  EXPECT_TRUE(built.is_ok()) << built.status().to_string();
  const DiskPaths paths = disk_paths(directory.path());
  return bytes_of_file(paths.pages) + bytes_of_file(paths.codes);
}

TEST(DiskBuild, FilesAreTheSameOnAnyNumberOfThreads) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 6000, 24, 1));
  const uint64_t least = disk_build_bytes_least(rows.options(Metric::kL2), rows.rows.rows);
  for (const uint64_t memory_bytes : {uint64_t{0}, least}) {
    const std::string one = built_bytes(rows, Metric::kL2, {.memory_bytes = memory_bytes});
    EXPECT_GT(one.size(), 6000u * 24);
    for (const size_t threads : {2u, 3u}) {
      if (memory_bytes != 0 && threads == 2) continue;  // they take their time
      EXPECT_TRUE(one == built_bytes(rows, Metric::kL2,
                                     {.memory_bytes = memory_bytes, .thread_count = threads}))
          << threads << " threads, " << memory_bytes << " bytes of memory";
    }
  }
}

// Rows that are large beside the memory: groups must not depend on how many are sorted at once.
TEST(DiskBuild, NorWhereMemoryIsShort) {
  const NamedRows rows(make_test_rows(ScalarType::kF32, 2000, 1000, 2));
  const uint64_t least = disk_build_bytes_least(rows.options(Metric::kCosine), rows.rows.rows);
  EXPECT_TRUE(built_bytes(rows, Metric::kCosine, {.memory_bytes = least}) ==
              built_bytes(rows, Metric::kCosine, {.memory_bytes = least, .thread_count = 4}));
}

TEST(DiskBuild, AnotherSeedMakesAnotherGraph) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 2000, 16, 3));
  EXPECT_FALSE(built_bytes(rows, Metric::kL2, {.seed = 1}) ==
               built_bytes(rows, Metric::kL2, {.seed = 2}));
}

TEST(DiskBuild, ServingMemoryMakesCodesShorter) {
  const NamedRows rows(make_test_rows(ScalarType::kF32, 2000, 100, 4));
  const ResidentBytes bytes = disk_serving_bytes(rows.options(Metric::kL2), rows.rows.rows);
  EXPECT_LT(bytes.least, bytes.wanted);
  storage::TestDirectory directory;
  size_t code_bytes = 0;
  for (const uint64_t serving_bytes :
       {uint64_t{1}, (bytes.least + bytes.wanted) / 2, uint64_t{0}}) {
    const auto built = build_disk(storage::posix_file_system(), directory.path(), rows, Metric::kL2,
                                  {.serving_bytes = serving_bytes});
    ASSERT_TRUE(built.is_ok()) << built.status().to_string();
    EXPECT_GT((*built)->code_bytes(), code_bytes);
    code_bytes = (*built)->code_bytes();
    const TestRows queries = make_test_rows(ScalarType::kF32, 30, 100, 5);
    EXPECT_GE(SearchedDisk(rows, Metric::kL2, queries).measure(**built, {.k = 10}).recall(), 0.95);
  }
}

TEST(DiskBuild, TooLittleMemoryIsToldWithWhatItTakes) {
  storage::SimulatedFileSystem file_system;
  ASSERT_TRUE(file_system.create_directory("/db").is_ok());
  const NamedRows rows(make_test_rows(ScalarType::kU8, 500, 16, 6));
  const uint64_t least = disk_build_bytes_least(rows.options(Metric::kL2), 500);
  const Status status =
      build_disk(file_system, "/db", rows, Metric::kL2, {.memory_bytes = least - 1}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find(std::to_string(least)), std::string::npos) << status.message();
  EXPECT_NE(status.message().find(std::to_string(least - 1)), std::string::npos);
  EXPECT_TRUE(names_in(file_system, "/db").empty());
  EXPECT_TRUE(build_disk(file_system, "/db", rows, Metric::kL2, {.memory_bytes = least}).is_ok());
  EXPECT_EQ(names_in(file_system, "/db"), (std::set<std::string>{"graph.codes", "graph.pages"}));
}

TEST(DiskBuild, CanBeCancelledInEachPhaseAndLeavesNothing) {
  storage::SimulatedFileSystem file_system;
  ASSERT_TRUE(file_system.create_directory("/db").is_ok());
  const NamedRows rows(make_test_rows(ScalarType::kU8, 3000, 16, 7));
  std::vector<std::string> phases;
  double last = 0;
  DiskBuildOptions options;
  options.progress = [&](const BuildProgress& progress) {
    EXPECT_GE(progress.fraction, last);
    last = progress.fraction;
    if (phases.empty() || phases.back() != progress.phase) phases.emplace_back(progress.phase);
    return true;
  };
  ASSERT_TRUE(build_disk(file_system, "/db", rows, Metric::kL2, options).is_ok());
  EXPECT_EQ(last, 1.0);
  EXPECT_EQ(phases,
            (std::vector<std::string>{"sample", "group", "sort", "link", "encode", "calibrate"}));
  for (const std::string& phase : phases) {
    options.progress = [&](const BuildProgress& progress) { return progress.phase != phase; };
    const Status status = build_disk(file_system, "/db", rows, Metric::kL2, options).status();
    EXPECT_EQ(status.code(), StatusCode::kCancelled) << phase << ": " << status.to_string();
    EXPECT_TRUE(names_in(file_system, "/db").empty()) << phase;
  }
}

// Every change that a build makes to the disk fails in turn.
TEST(DiskBuild, AFullOrFailingDiskIsToldAndLeavesNothing) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 300, 8, 8));
  for (const storage::Operation operation :
       {storage::Operation::kCreate, storage::Operation::kWrite, storage::Operation::kAllocate,
        storage::Operation::kSync, storage::Operation::kRead}) {
    for (const StatusCode code : {StatusCode::kDiskFull, StatusCode::kIoError}) {
      size_t failures = 0;
      for (uint64_t nth = 1; nth < 1000; nth += storage::kPlacesApart) {
        storage::SimulatedFileSystem file_system;
        ASSERT_TRUE(file_system.create_directory("/db").is_ok());
        file_system.inject({.operation = operation, .occurrence = nth, .code = code});
        const auto built = build_disk(file_system, "/db", rows, Metric::kL2);
        if (built.is_ok()) break;
        ++failures;
        // Space for pages is reserved: that a write of them finds none is not expected.
        EXPECT_TRUE(built.status().code() == code || built.status().code() == StatusCode::kIoError)
            << built.status().to_string();
        EXPECT_TRUE(names_in(file_system, "/db").empty());
        if (operation == storage::Operation::kRead) nth += 7;  // of pages, by calibration
      }
      EXPECT_GT(failures, 0u) << static_cast<int>(operation);
    }
  }
}

TEST(DiskBuild, ADiskThatIsTooSmallIsTold) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 2000, 32, 9));
  size_t failures = 0;
  for (uint64_t capacity = 16u << 10;; capacity += storage::kPlacesApart * (48u << 10)) {
    storage::SimulatedFileSystem file_system;
    ASSERT_TRUE(file_system.create_directory("/db").is_ok());
    file_system.set_capacity_bytes(capacity);
    const auto built = build_disk(file_system, "/db", rows, Metric::kL2);
    if (built.is_ok()) break;
    ++failures;
    ASSERT_EQ(built.status().code(), StatusCode::kDiskFull) << built.status().to_string();
    EXPECT_TRUE(names_in(file_system, "/db").empty());
  }
  EXPECT_GT(failures * storage::kPlacesApart, 5u);
}

// The edges of another index, as a build of both forms has them.
TEST(DiskBuild, TakesEdgesThatAreKnown) {
  const NamedRows rows(make_test_rows(ScalarType::kU8, 3000, 32, 10));
  storage::TestDirectory directory;
  bool is_linked = false;
  base::ThreadPool pool(0);
  std::unique_ptr<DiskIndex> disk;
  BuildOptions options;
  options.scratch_prefix = directory.path() + "/scratch-";
  options.linked = [&](const graph::Adjacency& edges) -> Status {
    is_linked = true;
    auto built = build_disk(storage::posix_file_system(), directory.path(), rows, Metric::kL2,
                            {.adjacency = &edges});
    if (built.is_ok()) disk = *std::move(built);
    return built.status();
  };
  ASSERT_TRUE(build_resident_index(storage::posix_file_system(), directory.path() + "/graph.dat",
                                   {rows.rows.view(), rows.slots, rows.tags, Metric::kL2}, pool,
                                   options)
                  .is_ok());
  ASSERT_TRUE(is_linked);
  expect_sound(*disk, rows);
  const TestRows queries = make_test_rows(ScalarType::kU8, 40, 32, 11);
  EXPECT_GE(SearchedDisk(rows, Metric::kL2, queries)
                .measure(*disk, {.k = 10, .search_list_size = 100})
                .recall(),
            0.98);
}

}  // namespace
}  // namespace roxanne::index
