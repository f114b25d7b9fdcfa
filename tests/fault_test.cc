// A disk that says no while graphs are built: what callers are told, that reads go on, and that
// nothing acknowledged is lost. docs/durability.md, D6 and "A full disk".
//
// One thread changes points, another builds graphs again and again, in memory and on disk. A fault
// hits whichever of them comes to it.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "roxanne/roxanne.h"
#include "small_graphs.h"
#include "storage/simulated_file_system.h"
#include "storage/test_fault_places.h"

namespace roxanne {
namespace {

using storage::Operation;
using storage::PowerCutPolicy;
using storage::SimulatedFileSystem;
using testing_support::numbers;

constexpr const char* kPath = "/db.rox";
// Keys from here on are in the collection "wide", whose batches go to the disk before they are
// committed; the others' rows go with the commit, and have a graph.
constexpr uint64_t kWideKeys = 100'000;
constexpr size_t kWideBatch = 300;
constexpr size_t kDim = 24;
constexpr size_t kWideDim = 1024;
size_t dim_of(uint64_t key) { return key < kWideKeys ? kDim : kWideDim; }

using Points = std::map<uint64_t, uint64_t>;  // key to the number of the batch that wrote it

// The vector of a point: its key decides, and the batch, so that graphs are no chance matter.
void append_row(std::vector<float>& rows, uint64_t key, uint64_t batch) {
  uint64_t state = key * 0x9e3779b97f4a7c15ull + batch * 7919 + 1;
  for (size_t i = 0; i < dim_of(key); ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    rows.push_back(static_cast<float>(state >> 54));
  }
}

Result<Database> open_database(SimulatedFileSystem& files) {
  return Database::open(kPath, {.create_if_missing = true,
                                .memory_limit_bytes = 512u << 20,
                                .thread_count = 1,
                                .automatic_index = false,
                                .index_points_min = 50,
                                .file_system = &files});
}

// Builds graphs until it is told to stop; what fails is tried again.
class Builder {
 public:
  explicit Builder(Collection collection) : collection_(std::move(collection)) {
    thread_ = std::thread([this] { run(); });
  }
  ~Builder() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Until so many builds ended, one way or the other.
  void wait_for(uint64_t count) const {
    constexpr int kTries = 5000;
    for (int i = 0; i < kTries && built_ + failed_ < count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  uint64_t built() const { return built_; }
  uint64_t failed() const { return failed_; }

 private:
  void run() {
    for (uint64_t i = 0; !stop_; ++i) {
      IndexOptions options{.rebuild = true, .serving_memory_bytes = i % 3 == 2 ? 1u : 0u};
      options.progress = [this](std::string_view, double) { return !stop_; };
      const Status built = collection_.build_index(options);
      if (built.code() == StatusCode::kCancelled || built.code() == StatusCode::kReadOnly) return;
      ++(built.is_ok() ? built_ : failed_);
      const bool is_expected = built.is_ok() || built.code() == StatusCode::kIoError ||
                               built.code() == StatusCode::kDiskFull;
      EXPECT_TRUE(is_expected) << built.to_string();
    }
  }
  Collection collection_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> built_{0};
  std::atomic<uint64_t> failed_{0};
  std::thread thread_;
};

// A database whose points are known.
class World {
 public:
  explicit World(SimulatedFileSystem& files) : files_(files) {}

  void open() {
    auto database = open_database(files_);
    ASSERT_TRUE(database.is_ok()) << database.status().to_string();
    database_.emplace(*std::move(database));
    for (const char* name : {"points", "wide"}) {
      const size_t dim = name == std::string("points") ? kDim : kWideDim;
      auto collection = database_->collection(name);
      if (!collection.is_ok()) collection = database_->create_collection(name, {.dim = dim});
      ASSERT_TRUE(collection.is_ok()) << collection.status().to_string();
      (dim == kDim ? small_ : wide_).emplace(*collection);
    }
  }
  Status close() {
    const Status closed = database_->close();
    small_.reset();
    wide_.reset();
    database_.reset();
    return closed;
  }

  Status upsert(uint64_t first, size_t count) {
    const uint64_t batch = next_batch_++;
    std::vector<float> rows;
    for (size_t i = 0; i < count; ++i) append_row(rows, first + i, batch);
    const Status status =
        of(first)
            .upsert(numbers(count, first), MatrixView::f32(rows.data(), count, dim_of(first)))
            .status();
    Points after = points;
    for (size_t i = 0; i < count; ++i) after[first + i] = batch;
    return note(status, std::move(after));
  }
  Status erase(uint64_t first, size_t count) {
    const Status status = of(first).erase(numbers(count, first)).status();
    Points after = points;
    for (size_t i = 0; i < count; ++i) after.erase(first + i);
    return note(status, std::move(after));
  }
  // The same calls in the same order each time: small batches and large ones, erases, flushes.
  Status change(uint64_t step) {
    const uint64_t first = step * 37 % 300;
    switch (step % 6) {
      case 0:
        return upsert(first, 40);
      case 1:
        return erase(first, 25);
      case 2:
        return step % 12 == 2 ? upsert(first, 5) : upsert(kWideKeys + first, kWideBatch);
      case 3:
        return database_->flush();
      case 4:
        return upsert(first + 150, 40);
      default:
        return erase(first + 100, 30);
    }
  }

  // Reads what was acknowledged, and nothing else, in every way.
  void expect_readable() const {
    EXPECT_EQ(small_->size() + wide_->size(), points.size());
    size_t number = 0;
    for (const auto& [key, batch] : points) {
      if (number++ % 9 != 0) continue;
      std::vector<float> row;
      append_row(row, key, batch);
      const auto point = of(key).get(Key(key));
      ASSERT_TRUE(point.is_ok()) << point.status().to_string();
      ASSERT_TRUE(is_row(*point, row)) << "key " << key << ", expected batch " << batch;
      const auto found = of(key).search(VectorView::f32(row), {.k = 1});
      ASSERT_TRUE(found.is_ok()) << found.status().to_string();
      ASSERT_EQ(found->size(), 1u);
      EXPECT_EQ((*found)[0].key, Key(key));
      EXPECT_EQ((*found)[0].distance, 0);
    }
    const std::vector<float> query(kDim, 500.0f);
    const auto exact = small_->search(VectorView::f32(query), {.k = 10, .exact = true});
    ASSERT_TRUE(exact.is_ok()) << exact.status().to_string();
    EXPECT_EQ(exact->size(), std::min<size_t>(10, small_->size()));
  }

  // Everything there is, and whether each point is of the batch that it should be of.
  bool holds(const Points& expected) const {
    if (small_->size() + wide_->size() != expected.size()) return false;
    for (const auto& [key, batch] : expected) {
      std::vector<float> row;
      append_row(row, key, batch);
      const auto point = of(key).get(Key(key));
      if (!point.is_ok() || !is_row(*point, row)) return false;
    }
    return true;
  }
  void expect_sound() {
    const auto report = database_->verify();
    ASSERT_TRUE(report.is_ok()) << report.status().to_string();
    for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
  }

  Database& database() { return *database_; }
  Collection& collection() { return *small_; }

  Points points;                        // acknowledged
  std::optional<Points> perhaps_after;  // a write that failed may have happened, whole

 private:
  Collection& of(uint64_t key) { return key < kWideKeys ? *small_ : *wide_; }
  const Collection& of(uint64_t key) const { return key < kWideKeys ? *small_ : *wide_; }
  static bool is_row(const Point& point, const std::vector<float>& row) {
    return std::memcmp(point.vector.bytes.data(), row.data(), row.size() * sizeof(float)) == 0;
  }
  Status note(const Status& status, Points after) {
    if (status.is_ok()) {
      points = std::move(after);
    } else if (status.code() == StatusCode::kIoError || status.code() == StatusCode::kDiskFull) {
      if (!perhaps_after.has_value()) perhaps_after = std::move(after);
    }
    return status;
  }

  SimulatedFileSystem& files_;
  std::optional<Database> database_;
  std::optional<Collection> small_;
  std::optional<Collection> wide_;
  uint64_t next_batch_ = 1;
};

struct FaultCase {
  Operation operation;
  StatusCode code;
  const char* path;  // what it hits
};

class FailingDisk : public testing::TestWithParam<FaultCase> {};

// The n-th such operation fails, once. Who asked for it is told; after a failed write or sync of
// what holds points no write is taken, nor tried again, and the reason is told; a graph that
// cannot be written hurts nobody. Reads go on. After a power cut all that was acknowledged is
// there.
TEST_P(FailingDisk, IsToldOnceAndReadsGoOn) {
  const FaultCase& fault = GetParam();
  constexpr uint64_t kSteps = 24;
  uint64_t hits = 0, read_only = 0, failed_builds = 0;
  // The farther apart the later they are; where few are wanted, half as many.
  const uint64_t closeness = storage::kPlacesApart < 7 ? 3 : 1;
  for (uint64_t nth = 1; nth <= 60; nth = nth + 1 + nth / closeness) {
    SCOPED_TRACE("failing operation number " + std::to_string(nth));
    SimulatedFileSystem files(nth);
    World world(files);
    world.open();
    for (uint64_t step = 0; step < 6; ++step) ASSERT_TRUE(world.change(step).is_ok());
    files.inject({.operation = fault.operation,
                  .occurrence = nth,
                  .code = fault.code,
                  .path_contains = fault.path});
    Status first;
    {
      Builder builder(world.collection());
      for (uint64_t step = 6; step < kSteps && first.is_ok(); ++step) {
        first = world.change(step);
        if (!first.is_ok() && first.code() == StatusCode::kDiskFull) {
          // Where nothing had been committed yet, it is the caller's to mend.
          files.clear_faults();
          if (world.upsert(0, 3).is_ok()) {
            world.perhaps_after.reset();
            first = Status::ok();
            ++hits;
          }
        }
      }
      if (first.is_ok()) builder.wait_for(3);  // the fault may still be to be met
      builder.stop();
      failed_builds += builder.failed();
    }
    files.clear_faults();
    if (!first.is_ok()) {
      ++hits;
      ++read_only;
      const uint64_t operations = files.operation_count();
      for (const Status& refused :
           {world.upsert(0, 3), world.erase(0, 3), world.upsert(kWideKeys, kWideBatch)}) {
        EXPECT_EQ(refused.code(), StatusCode::kReadOnly) << refused.to_string();
        EXPECT_NE(refused.message().find("no more writes"), std::string::npos);
      }
      EXPECT_EQ(world.database().flush().code(), StatusCode::kReadOnly);
      const auto info = world.database().info();
      ASSERT_TRUE(info.is_ok());
      EXPECT_TRUE(info->read_only);
      EXPECT_NE(info->write_error, "");
      EXPECT_EQ(files.operation_count(), operations) << "nothing is tried again";
    }
    world.expect_readable();
    const Status closed = world.close();
    EXPECT_TRUE(first.is_ok() || !closed.is_ok()) << "what went wrong is told once more";
    files.power_cycle(nth, PowerCutPolicy::kRandom);
    world.open();
    EXPECT_TRUE(world.holds(world.points) ||
                (world.perhaps_after.has_value() && world.holds(*world.perhaps_after)));
    world.expect_sound();
    EXPECT_TRUE(world.upsert(5000, 20).is_ok()) << "and it goes on working";
    const Status built = world.collection().build_index({.rebuild = true});
    EXPECT_TRUE(built.is_ok()) << built.to_string();
    EXPECT_TRUE(world.close().is_ok());
    if (testing::Test::HasFailure()) break;
  }
  std::printf("%llu faults reached a writer, %llu ended writing, %llu ended a build\n",
              static_cast<unsigned long long>(hits), static_cast<unsigned long long>(read_only),
              static_cast<unsigned long long>(failed_builds));
  if (std::string(fault.path) == "graph-") {
    EXPECT_EQ(hits, 0u) << "graphs are derived data";
    EXPECT_GT(failed_builds, 0u);
  } else {
    EXPECT_GT(hits, 0u);
  }
}

std::string case_name(const FaultCase& fault) {
  const std::string operation = fault.operation == Operation::kSync    ? "sync"
                                : fault.operation == Operation::kWrite ? "write"
                                                                       : "allocate";
  const std::string path = fault.path;
  return operation + "_" + std::string(status_code_name(fault.code)) + "_of_" +
         (path == "/kv/"     ? "store"
          : path == "graph-" ? "graphs"
                             : "vectors");
}

std::vector<FaultCase> fault_cases() {
  std::vector<FaultCase> cases;
  for (const StatusCode code : {StatusCode::kIoError, StatusCode::kDiskFull}) {
    for (const Operation operation : {Operation::kSync, Operation::kWrite}) {
      for (const char* path : {"/kv/", "vectors.dat", "graph-"}) {
        cases.push_back({operation, code, path});
      }
    }
  }
  cases.push_back({Operation::kAllocate, StatusCode::kDiskFull, "vectors.dat"});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Everywhere, FailingDisk, testing::ValuesIn(fault_cases()),
                         [](const auto& test) { return case_name(test.param); });

// A disk that fills up at any point of the work: upserts are refused as they should be, reads and
// deletes go on, graphs wait; and all of it goes on when there is room, without opening anew.
TEST(FullDisk, AtAnyPointEndsNothing) {
  uint64_t refused = 0;
  for (const uint64_t spare_kib : {100, 400, 1600, 3200, 4800, 6400, 9600, 12'800, 19'200}) {
    SCOPED_TRACE(std::to_string(spare_kib) + " KiB to spare");
    SimulatedFileSystem files;
    World world(files);
    world.open();
    for (uint64_t step = 0; step < 6; ++step) ASSERT_TRUE(world.change(step).is_ok());
    ASSERT_TRUE(world.collection().build_index({.rebuild = true}).is_ok());
    constexpr uint64_t kRoom = 1u << 30;
    files.set_capacity_bytes(kRoom);
    files.set_capacity_bytes(kRoom - *files.free_bytes(kPath) + spare_kib * 1024);
    {
      Builder builder(world.collection());
      for (uint64_t step = 6; step < 36; ++step) {
        const Status status = world.change(step);
        EXPECT_TRUE(status.is_ok() || status.code() == StatusCode::kDiskFull) << status.to_string();
        refused += status.is_ok() ? 0 : 1;
      }
      world.expect_readable();
      builder.stop();  // what it had begun to write is gone
      const Status erased = world.erase(0, 2);
      EXPECT_TRUE(erased.is_ok()) << "deletes go on: " << erased.to_string();
    }
    files.set_capacity_bytes(0);
    const Status no_room = world.collection().build_index({.rebuild = true});
    EXPECT_EQ(no_room.code(), StatusCode::kDiskFull) << no_room.to_string();
    EXPECT_EQ(world.collection().info()->index_error, no_room.message());
    world.expect_readable();
    world.perhaps_after.reset();
    files.set_capacity_bytes(kRoom);
    for (uint64_t step = 36; step < 48; ++step) {
      const Status status = world.change(step);
      EXPECT_TRUE(status.is_ok()) << status.to_string();
    }
    const Status built = world.collection().build_index({.rebuild = true});
    EXPECT_TRUE(built.is_ok()) << built.to_string();
    world.expect_readable();
    world.expect_sound();
    EXPECT_TRUE(world.close().is_ok());
    world.open();
    EXPECT_TRUE(world.holds(world.points));
    EXPECT_TRUE(world.close().is_ok());
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(refused, 0u);
  std::printf("%llu writes refused\n", static_cast<unsigned long long>(refused));
}

}  // namespace
}  // namespace roxanne
