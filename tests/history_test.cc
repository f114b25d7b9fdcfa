// What threads see of each other's writes: every upsert, delete, get, exact search, scan and count
// takes effect at one moment between call and return, batches as a whole, and what searches of a
// graph find was there at one such moment. While graphs are built, replaced and changed.
#include "history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "roxanne/roxanne.h"
#include "small_graphs.h"
#include "temporary_directory.h"

namespace roxanne {
namespace {

using testing_support::find_violation;
using testing_support::kAbsent;
using testing_support::numbers;
using testing_support::Operation;
using testing_support::OperationKind;
using testing_support::RowMaker;
using testing_support::TemporaryDirectory;

// ---- The checker itself ----

using Versions = std::vector<std::pair<size_t, uint32_t>>;

Operation write(uint64_t called, uint64_t returned, Versions versions,
                std::optional<size_t> present = std::nullopt) {
  return {OperationKind::kWrite, called, returned, std::move(versions), present};
}
Operation read(uint64_t called, uint64_t returned, Versions versions) {
  return {OperationKind::kRead, called, returned, std::move(versions), std::nullopt};
}
Operation count(uint64_t called, uint64_t returned, size_t present) {
  return {OperationKind::kCount, called, returned, {}, present};
}

constexpr size_t kTwoKeys = 2;

void expect_explained(const std::vector<Operation>& history) {
  const auto violation = find_violation(history, kTwoKeys);
  EXPECT_FALSE(violation.has_value()) << *violation;
}
void expect_violation(const std::vector<Operation>& history) {
  EXPECT_TRUE(find_violation(history, kTwoKeys).has_value());
}

TEST(HistoryCheckerTest, AReadMayComeBeforeOrAfterAWriteUnderWay) {
  expect_explained({write(1, 4, {{0, 1}}), read(2, 3, {{0, kAbsent}})});
  expect_explained({write(1, 4, {{0, 1}}), read(2, 3, {{0, 1}})});
}

TEST(HistoryCheckerTest, FindsAReadOfWhatNobodyWrote) {
  expect_violation({write(1, 2, {{0, 1}}), read(3, 4, {{0, 7}})});
  expect_violation({read(1, 2, {{0, 1}}), write(3, 4, {{0, 1}})});  // nor yet
}

TEST(HistoryCheckerTest, FindsALostWrite) {
  expect_violation({write(1, 2, {{0, 1}}), read(3, 4, {{0, kAbsent}})});
  expect_violation({write(1, 2, {{0, 1}}), write(3, 4, {{0, 2}}), read(5, 6, {{0, 1}})});
}

TEST(HistoryCheckerTest, FindsAPointThatWasErased) {
  expect_violation({write(1, 2, {{0, 1}}), write(3, 4, {{0, kAbsent}}), read(5, 6, {{0, 1}})});
  expect_explained({write(1, 2, {{0, 1}}), write(3, 6, {{0, kAbsent}}), read(4, 5, {{0, 1}})});
}

TEST(HistoryCheckerTest, FindsTimeThatRunsBackwards) {
  expect_violation({write(1, 8, {{0, 1}}), read(2, 3, {{0, 1}}), read(4, 5, {{0, kAbsent}})});
  expect_explained({write(1, 8, {{0, 1}}), read(2, 5, {{0, 1}}), read(3, 6, {{0, kAbsent}})});
}

TEST(HistoryCheckerTest, FindsHalfABatch) {
  expect_violation({write(1, 4, {{0, 1}, {1, 1}}), read(2, 3, {{0, 1}, {1, kAbsent}})});
  expect_violation(
      {write(1, 6, {{0, 1}, {1, 1}}), read(2, 3, {{0, 1}}), read(4, 5, {{1, kAbsent}})});
  expect_explained(
      {write(1, 6, {{0, 1}, {1, 1}}), read(2, 3, {{0, kAbsent}}), read(4, 5, {{1, 1}})});
}

// Two writes, and two readers that see them in different orders: each key by itself is sound.
TEST(HistoryCheckerTest, FindsReadersThatDisagreeOnTheOrder) {
  expect_violation({write(1, 9, {{0, 1}}), write(2, 10, {{1, 2}}),
                    read(3, 5, {{0, 1}, {1, kAbsent}}), read(4, 6, {{0, kAbsent}, {1, 2}})});
}

TEST(HistoryCheckerTest, FindsWrongCounts) {
  expect_violation({write(1, 2, {{0, 1}}), write(3, 4, {{0, 2}}, 0)});
  expect_violation({write(1, 2, {{0, 1}}), write(3, 4, {{0, kAbsent}, {1, kAbsent}}, 2)});
  expect_violation({write(1, 2, {{0, 1}}), count(3, 4, 2)});
  expect_explained({write(1, 2, {{0, 1}}, 0), write(3, 6, {{0, 2}, {1, 2}}, 1), count(4, 5, 2)});
}

// ---- The engine ----

constexpr size_t kDim = 24;
constexpr size_t kKeyCount = 12;       // that are written; they lie together, far from ...
constexpr size_t kOthers = 500;        // ... those that give a graph something to do
constexpr uint64_t kOtherKeys = 1000;  // the first of their keys
constexpr size_t kVersionBytes = 4;    // of a vector, at its beginning
constexpr size_t kWriters = 3;
constexpr size_t kReaders = 3;
constexpr size_t kWrites = 500;  // of one thread
constexpr size_t kReads = 400;

std::vector<std::byte> vector_of(size_t key, uint32_t version) {
  std::vector<std::byte> bytes(kDim, static_cast<std::byte>(220 + key));
  std::memcpy(bytes.data(), &version, kVersionBytes);
  return bytes;
}

uint32_t version_of(const Vector& vector) {
  uint32_t version = 0;
  std::memcpy(&version, vector.bytes.data(), kVersionBytes);
  return version;
}

std::string payload_of(uint32_t version) { return "{\"version\":" + std::to_string(version) + "}"; }

// Who changes the graph meanwhile.
enum class Changes { kNobody, kBuilds, kBackground };

struct Case {
  const char* name;
  const char* regime;
  Changes changes;
  IndexOptions index;
  uint64_t memory_limit_bytes;
  Durability durability;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }  // not its bytes

const IndexOptions kOnDisk = {.rebuild = true, .serving_memory_bytes = 1};
constexpr uint64_t kLittleMemory = 40u << 20;

class HistoryTest : public testing::TestWithParam<Case> {
 protected:
  HistoryTest() {
    open({});
    auto made = database_->create_collection("default", {.dim = kDim, .type = ScalarType::kU8});
    if (!made) ADD_FAILURE() << made.status().to_string();
    const auto rows = RowMaker(ScalarType::kU8, kDim, 3).rows(kOthers);
    EXPECT_TRUE(made->upsert(numbers(kOthers, kOtherKeys),
                             MatrixView(ScalarType::kU8, rows.data(), kOthers, kDim)));
    if (has_graph()) {
      const Status built = made->build_index(GetParam().index);
      EXPECT_TRUE(built) << built.to_string();
    }
    EXPECT_TRUE(database_->close());
    open({.memory_limit_bytes = GetParam().memory_limit_bytes,
          .automatic_index = GetParam().changes == Changes::kBackground});
    collection_ = *database_->collection();
  }

  // A graph is built with memory that may then be missing.
  struct Differences {
    uint64_t memory_limit_bytes = 0;
    bool automatic_index = false;
  };
  void open(const Differences& differences) {
    auto database = Database::open(directory_.database(),
                                   {.create_if_missing = true,
                                    .durability = GetParam().durability,
                                    .memory_limit_bytes = differences.memory_limit_bytes,
                                    .thread_count = 2,
                                    .automatic_index = differences.automatic_index,
                                    .index_points_min = has_graph() ? 100 : uint64_t{1} << 20});
    if (!database) ADD_FAILURE() << database.status().to_string();
    database_ = *std::move(database);
  }
  static bool has_graph() { return std::string(GetParam().regime) != "exact"; }

  // Calls `act`, which fills in what it saw, and keeps the record.
  template <typename Act>
  void record(OperationKind kind, const Act& act) {
    Operation operation;
    operation.kind = kind;
    operation.called = clock_++;
    act(operation);
    // What it saw later, of a scan say, belongs to the call itself.
    if (operation.returned == 0) operation.returned = clock_++;
    std::lock_guard lock(mutex_);
    history_.push_back(std::move(operation));
  }

  void upsert(std::mt19937& random) {
    const std::vector<uint64_t> keys = some_keys(random);
    std::vector<std::byte> rows;
    std::vector<std::string> payloads;
    Versions versions;
    const uint32_t version = next_version_++;
    for (const uint64_t key : keys) {
      const auto row = vector_of(key, version);
      rows.insert(rows.end(), row.begin(), row.end());
      payloads.push_back(payload_of(version));
      versions.emplace_back(key, version);
    }
    record(OperationKind::kWrite, [&](Operation& operation) {
      const auto counts =
          collection_->upsert(keys, MatrixView(ScalarType::kU8, rows.data(), keys.size(), kDim),
                              {.payloads = payloads});
      ASSERT_TRUE(counts) << counts.status().to_string();
      EXPECT_EQ(counts->inserted + counts->replaced, keys.size());
      operation.versions = versions;
      operation.present = counts->replaced;
    });
  }
  void erase(std::mt19937& random) {
    const std::vector<uint64_t> keys = some_keys(random);
    record(OperationKind::kWrite, [&](Operation& operation) {
      const auto erased = collection_->erase(keys);
      ASSERT_TRUE(erased) << erased.status().to_string();
      for (const uint64_t key : keys) operation.versions.emplace_back(key, kAbsent);
      operation.present = *erased;
    });
  }
  void get(std::mt19937& random) {
    const uint64_t key = random() % kKeyCount;
    record(OperationKind::kRead, [&](Operation& operation) {
      const auto point = collection_->get(key);
      if (!point) {
        ASSERT_EQ(point.status().code(), StatusCode::kNotFound) << point.status().to_string();
        operation.versions = {{key, kAbsent}};
        return;
      }
      operation.versions = {seen(point->key, point->vector, point->payload)};
    });
  }
  // The keys that are written are nearer to the query than all others: an exact search finds all
  // of them that are there.
  void search(std::mt19937& random, bool exact) {
    const auto query = vector_of(random() % kKeyCount, 0x80808080);
    record(OperationKind::kRead, [&](Operation& operation) {
      const auto found = collection_->search(VectorView(ScalarType::kU8, query.data(), kDim),
                                             {.k = kKeyCount,
                                              .exact = exact,
                                              .with_payload = true,
                                              .with_vector = true,
                                              .thread_count = 1});
      ASSERT_TRUE(found) << found.status().to_string();
      EXPECT_EQ(found->size(), kKeyCount) << "others fill up";
      for (const Neighbor& one : *found) {
        if (one.key.u64() >= kOtherKeys) continue;
        operation.versions.push_back(seen(one.key, *one.vector, one.payload));
      }
      if (exact) add_absent(operation);
    });
  }
  // Read in small pieces, while others write: all of it is of the moment when the scan began.
  void scan(std::mt19937& random) {
    record(OperationKind::kRead, [&](Operation& operation) {
      auto scan = collection_->scan(random() % 2 == 0 ? ScanOrder::kAny : ScanOrder::kKey);
      operation.returned = clock_++;
      ASSERT_TRUE(scan) << scan.status().to_string();
      size_t others = 0;
      while (true) {
        const auto some = scan->next(1 + random() % 60);
        ASSERT_TRUE(some) << some.status().to_string();
        if (some->empty()) break;
        for (const Point& point : *some) {
          if (point.key.u64() >= kOtherKeys) {
            ++others;
          } else {
            operation.versions.push_back(seen(point.key, point.vector, point.payload));
          }
        }
      }
      EXPECT_EQ(others, kOthers);
      add_absent(operation);
    });
  }
  void size() {
    record(OperationKind::kCount,
           [&](Operation& operation) { operation.present = collection_->size() - kOthers; });
  }

  void write_randomly(uint32_t seed) {
    std::mt19937 random(seed);
    for (size_t i = 0; i < kWrites && !HasFatalFailure(); ++i) {
      if (random() % 5 < 3) {
        upsert(random);
      } else {
        erase(random);
      }
    }
  }
  void read_randomly(uint32_t seed) {
    std::mt19937 random(seed);
    for (size_t i = 0; i < kReads && !HasFatalFailure(); ++i) {
      switch (random() % 8) {
        case 0:
          scan(random);
          break;
        case 1:
          size();
          break;
        case 2:
        case 3:
          search(random, true);
          break;
        case 4:
        case 5:
          search(random, false);
          break;
        default:
          get(random);
      }
    }
  }
  void build_until(const std::atomic<bool>& stops) {
    while (!stops) {
      const Status built = collection_->build_index(GetParam().index);
      EXPECT_TRUE(built) << built.to_string();
      std::this_thread::sleep_for(
          std::chrono::milliseconds(20));  // others need the processors, too
    }
  }
  void run_threads() {
    std::atomic<bool> stops{false};
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < kWriters; ++t) threads.emplace_back([this, t] { write_randomly(t); });
    for (uint32_t t = 0; t < kReaders; ++t) {
      threads.emplace_back([this, t] { read_randomly(100 + t); });
    }
    std::thread builder;
    if (GetParam().changes == Changes::kBuilds) builder = std::thread([&] { build_until(stops); });
    for (std::thread& thread : threads) thread.join();
    stops = true;
    if (builder.joinable()) builder.join();
  }
  // Threads see enough of each other that an answer which leaves out a point cannot pass, but where
  // a write was under way.
  void expect_to_notice_false_answers() const {
    std::mt19937 random(6);
    constexpr size_t kTries = 10;
    size_t noticed = 0;
    for (size_t i = 0; i < kTries; ++i) {
      std::vector<Operation> falsified = history_;
      falsify(falsified, random);
      noticed += find_violation(falsified, kKeyCount).has_value() ? 1 : 0;
    }
    EXPECT_GE(noticed, kTries / 2);
  }
  // Takes a point out of what some read saw.
  static void falsify(std::vector<Operation>& history, std::mt19937& random) {
    while (true) {
      Operation& operation = history[random() % history.size()];
      if (operation.kind != OperationKind::kRead || operation.versions.empty()) continue;
      uint32_t& version = operation.versions[random() % operation.versions.size()].second;
      if (version == kAbsent) continue;
      version = kAbsent;
      return;
    }
  }

  TemporaryDirectory directory_;
  std::optional<Database> database_;
  std::optional<Collection> collection_;
  std::atomic<uint64_t> clock_{1};
  std::atomic<uint32_t> next_version_{1};
  std::mutex mutex_;  // guards history_
  std::vector<Operation> history_;

 private:
  // One half of the time a single one.
  static std::vector<uint64_t> some_keys(std::mt19937& random) {
    const size_t wanted = random() % 2 == 0 ? 1 : 2 + random() % 4;
    std::set<uint64_t> keys;
    while (keys.size() < wanted) keys.insert(random() % kKeyCount);
    std::vector<uint64_t> list(keys.begin(), keys.end());
    std::shuffle(list.begin(), list.end(), random);
    return list;
  }
  // Vector and payload are of one write.
  static std::pair<size_t, uint32_t> seen(const Key& key, const Vector& vector,
                                          const std::optional<std::string>& payload) {
    const uint32_t version = version_of(vector);
    EXPECT_EQ(vector.bytes, vector_of(key.u64(), version)) << key.to_string();
    EXPECT_EQ(payload, payload_of(version)) << key.to_string();
    return {key.u64(), version};
  }
  static void add_absent(Operation& operation) {
    std::set<size_t> keys;
    for (const auto& [key, version] : operation.versions) {
      EXPECT_TRUE(keys.insert(key).second) << "key " << key << " was found twice";
    }
    for (size_t key = 0; key < kKeyCount; ++key) {
      if (!keys.contains(key)) operation.versions.emplace_back(key, kAbsent);
    }
  }
};

TEST_P(HistoryTest, OneOrderExplainsWhatAllThreadsSaw) {
  run_threads();
  std::mt19937 random(5);
  scan(random);
  search(random, true);
  size();
  const auto violation = find_violation(history_, kKeyCount);
  EXPECT_FALSE(violation.has_value()) << *violation;
  expect_to_notice_false_answers();
  const auto info = collection_->info();
  ASSERT_TRUE(info);
  EXPECT_EQ(info->regime, GetParam().regime) << info->index_error;
  const auto report = database_->verify();
  ASSERT_TRUE(report) << report.status().to_string();
  for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
}

INSTANTIATE_TEST_SUITE_P(
    All, HistoryTest,
    testing::Values(
        Case{"Exact", "exact", Changes::kNobody, {}, 0, Durability::kNone},
        Case{"ExactSynced", "exact", Changes::kNobody, {}, kLittleMemory, Durability::kFull},
        Case{"ResidentGraphsBuiltAnew",
             "resident",
             Changes::kBuilds,
             {.rebuild = true},
             0,
             Durability::kGrouped},
        Case{"DiskGraphsBuiltAnew", "disk", Changes::kBuilds, kOnDisk, 0, Durability::kNone},
        Case{"DiskGraphChangedInTheBackground", "disk", Changes::kBackground, kOnDisk,
             kLittleMemory, Durability::kNone}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace roxanne
