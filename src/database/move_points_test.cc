// Points move, files shrink: nothing is lost, whatever changes meanwhile and wherever power fails.
#include "database/move_points.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <thread>

#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "storage/simulated_file_system.h"
#include "storage/test_fault_places.h"

namespace roxanne::database {
namespace {

using storage::Operation;
using storage::PowerCutPolicy;
using storage::SimulatedFileSystem;

constexpr const char* kPath = "/db.rox";
constexpr size_t kWideDim = 1024;  // 64 KiB of rows a block: many blocks of few points

using Points = std::map<std::string, uint8_t>;  // key to the value of all its bytes

class Store {
 public:
  explicit Store(SimulatedFileSystem& files, KeyType key_type = KeyType::kU64,
                 Durability durability = Durability::kFull)
      : files_(files), key_type_(key_type), durability_(durability) {}

  Status open() {
    auto database = DatabaseImpl::open(kPath, {.create_if_missing = true,
                                               .durability = durability_,
                                               .memory_limit_bytes = 64u << 20,
                                               .thread_count = 1,
                                               .automatic_index = false,
                                               .index_points_min = 20,
                                               .file_system = &files_});
    if (!database.is_ok()) return database.status();
    database_ = *database;
    auto collection = database_->collection("points");
    if (!collection.is_ok()) {
      collection = database_->create_collection(
          "points", {.dim = kWideDim, .type = ScalarType::kU8, .key_type = key_type_});
    }
    if (!collection.is_ok()) return collection.status();
    collection_ = *collection;
    return Status::ok();
  }
  Status close() {
    const Status status = database_->close();
    collection_.reset();
    database_.reset();
    return status;
  }
  ~Store() {
    if (database_ != nullptr) (void)close();
  }

  Status upsert(uint64_t first, size_t count, uint8_t value) {
    const std::vector<uint8_t> rows(count * kWideDim, value);
    const std::vector<std::string> payloads(count, "{\"v\":" + std::to_string(value) + "}");
    const auto numbers = keys(first, count);
    const auto texts = words(numbers);
    return collection_
        ->upsert(key_type_ == KeyType::kU64 ? KeysView(numbers) : KeysView(texts),
                 MatrixView::u8(rows.data(), count, kWideDim), {.payloads = payloads})
        .status();
  }
  Status erase(const std::vector<uint64_t>& numbers) {
    const auto texts = words(numbers);
    return collection_->erase(key_type_ == KeyType::kU64 ? KeysView(numbers) : KeysView(texts))
        .status();
  }
  Status tidy() {
    return tidy_slots(*database_, *collection_, [] { return true; });
  }

  // All points, by key, checked in every way there is.
  void read(Points& points) {
    const auto report = database_->verify({});
    ASSERT_TRUE(report.is_ok()) << report.status().to_string();
    for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
    const auto version = collection_->version();
    for (const uint32_t slot : index::slots_of(version->live)) {
      std::vector<std::byte> row(kWideDim);
      const auto found = collection_->vectors()->read(slot, row);
      ASSERT_TRUE(found.is_ok()) << found.status().to_string();
      const auto word = database_->store()->get(schema::slot_key('s', collection_->id(), slot));
      const Key key = key_type_ == KeyType::kU64 ? Key(found->tag) : Key(word->value());
      const auto point = collection_->get(key, {});
      ASSERT_TRUE(point.is_ok()) << key.to_string() << ": " << point.status().to_string();
      const auto value = static_cast<uint8_t>(point->vector.bytes[0]);
      EXPECT_EQ(point->vector.bytes, std::vector<std::byte>(kWideDim, std::byte{value}));
      EXPECT_EQ(point->payload, "{\"v\":" + std::to_string(value) + "}");
      EXPECT_TRUE(points.emplace(key.to_string(), value).second) << "twice: " << key.to_string();
    }
  }

  uint64_t bytes_on_disk() const { return collection_->info()->bytes_on_disk; }
  CollectionImpl& collection() { return *collection_; }
  DatabaseImpl& database() { return *database_; }

  static std::vector<uint64_t> keys(uint64_t first, size_t count, uint64_t step = 1) {
    std::vector<uint64_t> numbers;
    for (size_t i = 0; i < count; ++i) numbers.push_back(first + i * step);
    return numbers;
  }

 private:
  static std::vector<std::string> words(const std::vector<uint64_t>& numbers) {
    std::vector<std::string> texts;
    for (const uint64_t number : numbers) texts.push_back("key " + std::to_string(number));
    return texts;
  }

  SimulatedFileSystem& files_;
  const KeyType key_type_;
  const Durability durability_;
  std::shared_ptr<DatabaseImpl> database_;
  std::shared_ptr<CollectionImpl> collection_;
};

// Every tenth point stays.
std::vector<uint64_t> nine_of_ten(uint64_t count) {
  std::vector<uint64_t> numbers;
  for (uint64_t i = 0; i < count; ++i) {
    if (i % 10 != 0) numbers.push_back(i);
  }
  return numbers;
}

class MovePointsTest : public testing::TestWithParam<KeyType> {};

TEST_P(MovePointsTest, AFileShrinksWithItsPoints) {
  SimulatedFileSystem files;
  Store store(files, GetParam());
  ASSERT_TRUE(store.open().is_ok());
  ASSERT_TRUE(store.upsert(0, 5000, 3).is_ok());
  const uint64_t before = store.bytes_on_disk();
  EXPECT_GE(before, 5000u * kWideDim);
  ASSERT_TRUE(store.erase(nine_of_ten(5000)).is_ok());
  Points expected, found;
  store.read(expected);
  EXPECT_EQ(expected.size(), 500u);
  const Status tidied = store.tidy();
  ASSERT_TRUE(tidied.is_ok()) << tidied.to_string();
  EXPECT_LE(store.bytes_on_disk() * 4, before);
  store.read(found);
  EXPECT_EQ(found, expected);
  std::printf("%llu bytes before, %llu after\n", static_cast<unsigned long long>(before),
              static_cast<unsigned long long>(store.bytes_on_disk()));
  // And grows again, and all is there the next time.
  ASSERT_TRUE(store.upsert(10'000, 3000, 4).is_ok());
  ASSERT_TRUE(store.close().is_ok());
  ASSERT_TRUE(store.open().is_ok());
  found.clear();
  store.read(found);
  EXPECT_EQ(found.size(), 3500u);
  for (const auto& [key, value] : expected) EXPECT_EQ(found[key], value);
  // Nothing at all is left.
  ASSERT_TRUE(store.erase(Store::keys(0, 13'000)).is_ok());
  ASSERT_TRUE(store.tidy().is_ok());
  EXPECT_LE(store.bytes_on_disk(), 4096u);
}

INSTANTIATE_TEST_SUITE_P(Keys, MovePointsTest, testing::Values(KeyType::kU64, KeyType::kString),
                         [](const auto& test) { return std::string(key_type_name(test.param)); });

// Blocks in the middle that hold nothing are given back where they are; closing does that too.
TEST(SpaceGivenBack, HolesArePunchedAndFilledAgain) {
  SimulatedFileSystem files;
  Store store(files);
  ASSERT_TRUE(store.open().is_ok());
  ASSERT_TRUE(store.upsert(0, 4096, 3).is_ok());
  const uint64_t before = store.bytes_on_disk();
  ASSERT_TRUE(store.erase(Store::keys(256, 1792)).is_ok());  // seven blocks; more than half stays
  ASSERT_TRUE(store.close().is_ok());
  ASSERT_TRUE(store.open().is_ok());
  EXPECT_LE(store.bytes_on_disk(), before - 1792 * kWideDim);
  // A full disk is found out before anything is committed.
  uint64_t used = 0;
  for (const auto& file : files.files()) used += file.path.ends_with("vectors.dat") ? 0 : file.size;
  files.set_capacity_bytes(used + store.bytes_on_disk() + (6u << 20));
  const Status full = store.upsert(20'000, 1700, 5);
  EXPECT_EQ(full.code(), StatusCode::kDiskFull) << full.to_string();
  EXPECT_TRUE(store.upsert(20'000, 1, 5).is_ok()) << "and a smaller one works";
  files.set_capacity_bytes(1u << 30);
  ASSERT_TRUE(store.upsert(30'000, 1791, 5).is_ok());
  EXPECT_LE(store.bytes_on_disk(), before) << "into the same places";
  Points found;
  store.read(found);
  EXPECT_EQ(found.size(), 4096u);
}

// Whoever reads elsewhere, or holds a version here, keeps what it sees.
TEST(SpaceGivenBack, ReadersKeepWhatTheySee) {
  SimulatedFileSystem files;
  Store store(files);
  ASSERT_TRUE(store.open().is_ok());
  ASSERT_TRUE(store.upsert(0, 3000, 3).is_ok());
  ASSERT_TRUE(store.erase(nine_of_ten(3000)).is_ok());
  const uint64_t before = store.bytes_on_disk();
  {
    const auto lock = files.lock(std::string(kPath) + "/READERS", storage::LockMode::kShared);
    ASSERT_TRUE(lock.is_ok());
    EXPECT_EQ(*move_points_down(store.database(), store.collection()), 0u);
    ASSERT_TRUE(store.tidy().is_ok());
    EXPECT_EQ(store.bytes_on_disk(), before) << "another process reads";
  }
  const auto version = store.collection().version();
  ASSERT_TRUE(store.tidy().is_ok());
  EXPECT_LT(index::slots_of(store.collection().version()->live).back(), 600u);
  for (const uint32_t slot : index::slots_of(version->live)) {
    std::vector<std::byte> row(kWideDim);
    const auto read = store.collection().vectors()->read(slot, row);
    ASSERT_TRUE(read.is_ok()) << read.status().to_string();
    EXPECT_EQ(row, std::vector<std::byte>(kWideDim, std::byte{3}));
  }
}

// Points change, come and go while others move.
TEST(MovePoints, AgreesWithAMapThroughRandomChanges) {
  for (const KeyType key_type : {KeyType::kU64, KeyType::kString}) {
    SimulatedFileSystem files;
    Store store(files, key_type, Durability::kNone);
    ASSERT_TRUE(store.open().is_ok());
    std::mt19937 random(7);
    Points model;
    const auto name = [&](uint64_t key) {
      return (key_type == KeyType::kU64 ? Key(key) : Key("key " + std::to_string(key))).to_string();
    };
    for (int step = 0; step < 150; ++step) {
      const uint64_t first = random() % 3000;
      switch (random() % 8) {
        case 0:
        case 1: {
          const size_t count = 1 + random() % 400;
          const auto value = static_cast<uint8_t>(step + 1);
          ASSERT_TRUE(store.upsert(first, count, value).is_ok());
          for (size_t i = 0; i < count; ++i) model[name(first + i)] = value;
          break;
        }
        case 2:
        case 3: {
          const auto doomed = Store::keys(first, 1 + random() % 800, 1 + random() % 3);
          ASSERT_TRUE(store.erase(doomed).is_ok());
          for (const uint64_t key : doomed) model.erase(name(key));
          break;
        }
        case 4:
          ASSERT_TRUE(store.tidy().is_ok());
          break;
        case 5:
          if (step % 5 == 0) {
            ASSERT_TRUE(store.close().is_ok());
            ASSERT_TRUE(store.open().is_ok());
          }
          break;
        default:
          ASSERT_TRUE(move_points_down(store.database(), store.collection()).is_ok());
      }
      if (step % 10 != 9) continue;
      Points found;
      store.read(found);
      ASSERT_EQ(found, model) << "step " << step;
    }
  }
}

// Two threads: one changes, one moves.
TEST(MovePoints, WritersGoOn) {
  SimulatedFileSystem files;
  Store store(files, KeyType::kU64, Durability::kNone);
  ASSERT_TRUE(store.open().is_ok());
  ASSERT_TRUE(store.upsert(0, 4000, 1).is_ok());
  std::atomic<bool> stop{false};
  uint64_t moved = 0;
  std::thread mover([&] {
    while (!stop) {
      const auto some = move_points_down(store.database(), store.collection());
      EXPECT_TRUE(some.is_ok()) << some.status().to_string();
      if (some.is_ok()) moved += *some;
    }
  });
  ASSERT_TRUE(store.erase(nine_of_ten(4000)).is_ok());
  uint8_t value = 2;
  for (; value < 200; ++value) ASSERT_TRUE(store.upsert(value % 20 * 200, 150, value).is_ok());
  for (uint64_t first = 0; first < 4000; first += 200) {
    ASSERT_TRUE(store.erase(Store::keys(first, 120)).is_ok());
  }
  stop = true;
  mover.join();
  std::printf("%llu points moved\n", static_cast<unsigned long long>(moved));
  Points found;
  store.read(found);
  EXPECT_EQ(found.size(), 20u * (30 + 5));
  for (const auto& [key, v] : found) {
    const uint64_t number = std::stoull(key);
    if (number % 200 < 150) {
      EXPECT_GE(v, 180) << "one of the last twenty batches";
    } else {
      EXPECT_EQ(v, 1);
    }
  }
}

// A script whose every change to the disk is the last one: all points are there, once.
struct Cut {
  Durability durability;
  PowerCutPolicy policy;
};
class MoveCrashTest : public testing::TestWithParam<Cut> {
 protected:
  // What the points are after each step; the steps that a power cut must not undo.
  struct Run {
    std::vector<Points> states{Points{}};
    size_t durable = 0;
    bool was_cut = false;
  };

  static Run run_script(SimulatedFileSystem& files, KeyType key_type, Durability durability) {
    Run run;
    Store store(files, key_type, durability);
    Points points;
    const auto name = [&](uint64_t key) {
      return (key_type == KeyType::kU64 ? Key(key) : Key("key " + std::to_string(key))).to_string();
    };
    const auto note = [&](const Status& status) {
      if (!status.is_ok()) {
        run.was_cut = true;
        run.states.push_back(points);  // it may have happened
        return false;
      }
      run.states.push_back(points);
      if (durability == Durability::kFull) run.durable = run.states.size() - 1;
      return true;
    };
    const auto put = [&](uint64_t first, size_t count, uint8_t value) {
      for (size_t i = 0; i < count; ++i) points[name(first + i)] = value;
      return note(store.upsert(first, count, value));
    };
    const auto take = [&](const std::vector<uint64_t>& doomed) {
      for (const uint64_t key : doomed) points.erase(name(key));
      return note(store.erase(doomed));
    };
    const auto reopen = [&] {
      if (!note(store.close())) return false;
      run.durable = run.states.size() - 1;
      return note(store.open());
    };
    const auto tidy = [&] { return note(store.tidy()); };
    (void)(note(store.open()) && put(0, 1500, 1) && take(nine_of_ten(1500)) && tidy() &&
           put(2000, 100, 2) && put(0, 40, 3) && take(Store::keys(0, 60)) && tidy() &&
           put(3000, 1200, 4) && take(Store::keys(3000, 1100)) && reopen() && tidy() &&
           put(5000, 50, 5) && take(Store::keys(2000, 2000)) && tidy() && reopen());
    return run;
  }
};

TEST_P(MoveCrashTest, EveryCrashPointKeepsEveryPointOnce) {
  const auto [durability, policy] = GetParam();
  const bool is_harshest = durability == Durability::kFull && policy == PowerCutPolicy::kRandom;
  for (const KeyType key_type : {KeyType::kU64, KeyType::kString}) {
    uint64_t operations = 0;
    {
      SimulatedFileSystem files;
      const Run run = run_script(files, key_type, durability);
      ASSERT_FALSE(run.was_cut);
      operations = files.operation_count();
    }
    const uint64_t stride =
        (key_type == KeyType::kU64 ? 2 : 7) * (is_harshest ? 1 : 3) * storage::kPlacesApart;
    for (uint64_t at = 1; at <= operations; at += stride) {
      SCOPED_TRACE("crash at operation " + std::to_string(at) + " of " +
                   std::to_string(operations));
      SimulatedFileSystem files(at);
      files.set_crash_at(at);
      const Run run = run_script(files, key_type, durability);
      files.power_cycle(at * 1000003, policy);
      Store store(files, key_type, durability);
      const Status opened = store.open();
      ASSERT_TRUE(opened.is_ok()) << opened.to_string();
      Points found;
      store.read(found);
      bool matches = false;
      for (size_t i = run.durable; i < run.states.size(); ++i) matches |= found == run.states[i];
      ASSERT_TRUE(matches) << found.size() << " points";
      const Status tidied = store.tidy();
      ASSERT_TRUE(tidied.is_ok()) << tidied.to_string();
      ASSERT_TRUE(store.upsert(9000, 30, 9).is_ok());
      Points later;
      store.read(later);
      ASSERT_EQ(later.size(), found.size() + 30);
      ASSERT_TRUE(store.close().is_ok());
    }
    std::printf("%llu crash points\n", static_cast<unsigned long long>(operations / stride));
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, MoveCrashTest,
                         testing::Values(Cut{Durability::kFull, PowerCutPolicy::kDropAll},
                                         Cut{Durability::kFull, PowerCutPolicy::kRandom},
                                         Cut{Durability::kNone, PowerCutPolicy::kDropAll},
                                         Cut{Durability::kNone, PowerCutPolicy::kRandom}),
                         [](const auto& test) {
                           return std::string(test.param.durability == Durability::kFull ? "full"
                                                                                         : "none") +
                                  (test.param.policy == PowerCutPolicy::kDropAll ? "_dropped"
                                                                                 : "_torn");
                         });

}  // namespace
}  // namespace roxanne::database
