// Copies made while others write: what is in them, on real files and on simulated ones that fail.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "roxanne/roxanne.h"
#include "small_graphs.h"
#include "storage/simulated_file_system.h"
#include "storage/test_fault_places.h"
#include "temporary_directory.h"

namespace roxanne {
namespace {

using storage::Fault;
using storage::kPlacesApart;
using storage::Operation;
using storage::PowerCutPolicy;
using storage::SimulatedFileSystem;
using testing_support::checked_recall;
using testing_support::expect_sound;
using testing_support::numbers;
using testing_support::RowMaker;
using testing_support::TemporaryDirectory;

constexpr size_t kDim = 16;

struct StoredPoint {
  std::vector<std::byte> vector;
  std::string payload;
  bool operator==(const StoredPoint&) const = default;
};
using State = std::map<std::string, std::map<Key, StoredPoint>>;

Database open_or_die(const std::string& path, DatabaseOptions options = {}) {
  options.create_if_missing = !options.read_only;
  auto database = Database::open(path, options);
  if (!database.is_ok()) ADD_FAILURE() << database.status().to_string();
  return std::move(database).value();
}

void read_all(const Collection& collection, std::map<Key, StoredPoint>& points) {
  auto scan = collection.scan(ScanOrder::kAny);
  ASSERT_TRUE(scan.is_ok()) << scan.status().to_string();
  while (true) {
    auto batch = scan->next(256);
    ASSERT_TRUE(batch.is_ok()) << batch.status().to_string();
    if (batch->empty()) break;
    for (Point& point : *batch) {
      points[point.key] = {point.vector.bytes, point.payload.value_or("")};
    }
  }
}

State state_of(const Database& database) {
  State state;
  for (const std::string& name : database.collection_names()) {
    const auto collection = database.collection(name);
    if (!collection.is_ok()) ADD_FAILURE() << collection.status().to_string();
    if (collection.is_ok()) read_all(*collection, state[name]);
  }
  return state;
}

// Opens a copy, checks every byte, and reads it.
State state_of_copy(const std::string& path, storage::FileSystem* file_system = nullptr) {
  Database copy = open_or_die(path, {.memory_limit_bytes = 64u << 20,
                                     .thread_count = 1,
                                     .automatic_index = false,
                                     .file_system = file_system});
  expect_sound(copy);
  State state = state_of(copy);
  EXPECT_TRUE(copy.close().is_ok());
  return state;
}

// Every value of the batch's vectors is its number, modulo 250.
std::vector<uint8_t> batch_rows(size_t rows, uint64_t number) {
  return std::vector<uint8_t>(rows * kDim, static_cast<uint8_t>(number % 250 + 1));
}

Status upsert_batch(Collection& collection, const std::vector<uint64_t>& keys, uint64_t number) {
  const auto rows = batch_rows(keys.size(), number);
  const std::vector<std::string> payloads(keys.size(), "{\"n\":" + std::to_string(number) + "}");
  return collection
      .upsert(keys, MatrixView::u8(rows.data(), keys.size(), kDim), {.payloads = payloads})
      .status();
}

// Both key types, payloads, freed slots, small and large batches.
void fill(Database& database) {
  auto small = database.create_collection("small", {.dim = kDim, .type = ScalarType::kU8});
  ASSERT_TRUE(small.is_ok()) << small.status().to_string();
  ASSERT_TRUE(upsert_batch(*small, numbers(300), 1).is_ok());
  ASSERT_TRUE(upsert_batch(*small, numbers(40, 100), 2).is_ok());
  ASSERT_TRUE(small->erase(numbers(50, 20)).is_ok());
  auto words = database.create_collection(
      "words", {.dim = kDim, .type = ScalarType::kU8, .key_type = KeyType::kString});
  ASSERT_TRUE(words.is_ok());
  const std::vector<std::string> keys = {"ant", "bee", "wasp"};
  const auto rows = batch_rows(3, 7);
  ASSERT_TRUE(words->upsert(keys, MatrixView::u8(rows.data(), 3, kDim)).is_ok());
  auto wide = database.create_collection("wide", {.dim = 1024});
  ASSERT_TRUE(wide.is_ok());
  const std::vector<float> values(400 * 1024, 0.5f);
  ASSERT_TRUE(wide->upsert(numbers(400), MatrixView::f32(values.data(), 400, 1024)).is_ok());
}

class SnapshotTest : public testing::Test {
 protected:
  std::string copy_path(int number = 1) const {
    return directory_.path() + "/copy" + std::to_string(number);
  }
  TemporaryDirectory directory_;
};

TEST_F(SnapshotTest, ACopyIsADatabaseOfItsOwn) {
  Database database = open_or_die(directory_.database());
  fill(database);
  const State before = state_of(database);
  const auto report = database.snapshot(copy_path());
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  EXPECT_EQ(report->collections, 3u);
  EXPECT_EQ(report->points, 250u + 3u + 400u);
  EXPECT_GT(report->bytes_copied + report->bytes_shared, 400u * 1024 * 4);
  EXPECT_TRUE(std::filesystem::exists(copy_path() + "/SEAL"));
  // What happens to either is not seen in the other.
  ASSERT_TRUE(database.collection("small")->erase(numbers(300)).is_ok());
  Collection wide = *database.collection("wide");
  const std::vector<float> values(400 * 1024, 2.5f);
  ASSERT_TRUE(wide.upsert(numbers(400), MatrixView::f32(values.data(), 400, 1024)).is_ok());
  const State after = state_of(database);
  EXPECT_EQ(state_of_copy(copy_path()), before);
  {
    Database copy = open_or_die(copy_path());
    Collection small = *copy.collection("small");
    ASSERT_TRUE(upsert_batch(small, numbers(500), 9).is_ok());
    ASSERT_TRUE(copy.drop_collection("wide").is_ok());
  }
  EXPECT_EQ(state_of(database), after);
  expect_sound(database);
  // Copies of copies, of a source that is gone.
  ASSERT_TRUE(database.close().is_ok());
  std::filesystem::remove_all(directory_.database());
  State expected = before;
  expected.erase("wide");
  Database copy = open_or_die(copy_path());
  ASSERT_TRUE(copy.snapshot(copy_path(2) + "/").is_ok());
  ASSERT_TRUE(copy.close().is_ok());
  expected["small"] = state_of_copy(copy_path())["small"];
  EXPECT_EQ(expected["small"].size(), 500u);
  EXPECT_EQ(state_of_copy(copy_path(2)), expected);
}

TEST_F(SnapshotTest, AnEmptyFolderWillDoAndNothingElse) {
  Database database = open_or_die(directory_.database());
  fill(database);
  std::filesystem::create_directory(copy_path());
  EXPECT_TRUE(database.snapshot(copy_path()).is_ok());
  const auto again = database.snapshot(copy_path());
  EXPECT_EQ(again.status().code(), StatusCode::kAlreadyExists) << again.status().to_string();
  EXPECT_EQ(state_of_copy(copy_path()).size(), 3u) << "and is as it was";
  std::ofstream(copy_path(2)) << "a file";
  EXPECT_EQ(database.snapshot(copy_path(2)).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(database.snapshot("").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(database.snapshot(directory_.database()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(database.snapshot(directory_.database() + "/copy").status().code(),
            StatusCode::kInvalidArgument);
  const auto nowhere = database.snapshot(directory_.path() + "/no/such");
  EXPECT_EQ(nowhere.status().code(), StatusCode::kNotFound) << nowhere.status().to_string();
  ASSERT_TRUE(database.close().is_ok());
  EXPECT_EQ(database.snapshot(copy_path(3)).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(copy_path(3)));
}

TEST_F(SnapshotTest, ProgressIsToldAndCanCancel) {
  Database database = open_or_die(directory_.database());
  fill(database);
  double last = 0;
  ASSERT_TRUE(database
                  .snapshot(copy_path(), {.progress =
                                              [&](double fraction) {
                                                EXPECT_GE(fraction, last);
                                                EXPECT_LE(fraction, 1);
                                                last = fraction;
                                                return true;
                                              }})
                  .is_ok());
  EXPECT_GT(last, 0.5);
  for (int stop_after = 0; stop_after < 6; ++stop_after) {
    int calls = 0;
    const auto stopped =
        database.snapshot(copy_path(2), {.progress = [&](double) { return calls++ < stop_after; }});
    ASSERT_EQ(stopped.status().code(), StatusCode::kCancelled);
    EXPECT_FALSE(std::filesystem::exists(copy_path(2))) << "what was written is removed";
  }
  std::filesystem::create_directory(copy_path(3));
  EXPECT_FALSE(database.snapshot(copy_path(3), {.progress = [](double) { return false; }}).is_ok());
  EXPECT_TRUE(std::filesystem::is_empty(copy_path(3))) << "the folder was there before";
}

// A copy through a reader's eyes: its own moment, whatever the writer did since.
TEST_F(SnapshotTest, AReaderCopiesWhatItSees) {
  Database database = open_or_die(directory_.database());
  fill(database);
  const State before = state_of(database);
  Database reader = open_or_die(directory_.database(), {.read_only = true});
  Collection small = *database.collection("small");
  for (uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(upsert_batch(small, numbers(300), 20 + i).is_ok());
  ASSERT_TRUE(database.drop_collection("wide").is_ok());
  ASSERT_TRUE(reader.snapshot(copy_path()).is_ok());
  EXPECT_EQ(state_of_copy(copy_path()), before);
  // Of a database that nobody has open.
  ASSERT_TRUE(reader.close().is_ok());
  const State after = state_of(database);
  ASSERT_TRUE(database.close().is_ok());
  reader = open_or_die(directory_.database(), {.read_only = true});
  ASSERT_TRUE(reader.snapshot(copy_path(2)).is_ok());
  EXPECT_TRUE(std::filesystem::exists(directory_.database() + "/SEAL")) << "nothing was changed";
  EXPECT_EQ(state_of_copy(copy_path(2)), after);
}

TEST_F(SnapshotTest, GraphsComeAlong) {
  DatabaseOptions options = {.memory_limit_bytes = 256u << 20,
                             .thread_count = 1,
                             .automatic_index = false,
                             .index_points_min = 200};
  Database database = open_or_die(directory_.database(), options);
  auto graph = database.create_collection("graph", {.dim = 32, .type = ScalarType::kU8});
  RowMaker maker(ScalarType::kU8, 32, 5);
  const auto rows = maker.rows(3000);
  ASSERT_TRUE(
      graph->upsert(numbers(3000), MatrixView(ScalarType::kU8, rows.data(), 3000, 32)).is_ok());
  ASSERT_TRUE(graph->build_index().is_ok());
  ASSERT_TRUE(graph->erase(numbers(100, 50)).is_ok());
  ASSERT_TRUE(
      graph->upsert(numbers(60, 5000), MatrixView(ScalarType::kU8, rows.data(), 60, 32)).is_ok());
  const auto answers = graph->search(MatrixView(ScalarType::kU8, rows.data(), 20, 32));
  ASSERT_TRUE(answers.is_ok());
  ASSERT_TRUE(database.snapshot(copy_path()).is_ok());
  {
    const auto as_reader = open_or_die(directory_.database(), {.read_only = true});
    ASSERT_TRUE(as_reader.snapshot(copy_path(3)).is_ok());
  }
  ASSERT_TRUE(database.close().is_ok());
  {
    const auto as_reader = open_or_die(directory_.database(), {.read_only = true});
    ASSERT_TRUE(as_reader.snapshot(copy_path(2)).is_ok());
  }
  // Beside a process that writes, the image may be behind what it was made of.
  Database third = open_or_die(copy_path(3), options);
  EXPECT_GE(
      checked_recall(*third.collection("graph"), MatrixView(ScalarType::kU8, rows.data(), 20, 32)),
      0.9);
  EXPECT_EQ(third.collection("graph")->info()->regime, "disk");
  expect_sound(third);
  for (const int number : {1, 2}) {
    Database copy = open_or_die(copy_path(number), options);
    const Collection collection = *copy.collection("graph");
    const auto again = collection.search(MatrixView(ScalarType::kU8, rows.data(), 20, 32));
    ASSERT_TRUE(again.is_ok());
    for (size_t q = 0; q < 20; ++q) {
      ASSERT_EQ((*again)[q].size(), (*answers)[q].size());
      for (size_t i = 0; i < (*again)[q].size(); ++i) {
        EXPECT_EQ((*again)[q][i].key, (*answers)[q][i].key);
      }
    }
    EXPECT_EQ(collection.info()->regime, "resident");
    EXPECT_EQ(collection.info()->index.points, 2900u);
    EXPECT_EQ(collection.info()->index_error, "");
    expect_sound(copy);
    // Files that are changed in place are nobody else's.
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(copy_path(number) + "/collections")) {
      const std::string name = file.path().filename().string();
      if (name == "vectors.dat" || name.ends_with(".pages")) {
        EXPECT_EQ(std::filesystem::hard_link_count(file.path()), 1u) << name;
      }
    }
  }
}

// Each writer's batches overwrite its 16 keys with one number, one higher each time. In a copy each
// writer's keys have one number: at least the last that was acknowledged before the call, at most
// the last that was begun when it returned.
TEST_F(SnapshotTest, WholeBatchesWhileManyWrite) {
  constexpr size_t kWriters = 3;
  constexpr size_t kKeys = 16;
  constexpr int kCopies = 6;
  Database database = open_or_die(directory_.database(), {.durability = Durability::kNone});
  auto collection = database.create_collection("default", {.dim = kDim, .type = ScalarType::kU8});
  constexpr size_t kWide = 1024;
  auto wide = database.create_collection("wide", {.dim = kWide});
  ASSERT_TRUE(wide.is_ok());
  std::atomic<uint64_t> begun[kWriters] = {};
  std::atomic<uint64_t> acknowledged[kWriters] = {};
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (size_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      Collection mine = *collection;
      const auto keys = numbers(kKeys, w * kKeys);
      for (uint64_t n = 1; !stop; ++n) {
        begun[w] = n;
        const Status written = upsert_batch(mine, keys, n);
        EXPECT_TRUE(written.is_ok()) << written.to_string();
        if (n % 9 == 0) {  // large batches take another way to the disk
          const std::vector<float> many(300 * kWide, static_cast<float>(n));
          EXPECT_TRUE(wide->upsert(numbers(300), MatrixView::f32(many.data(), 300, kWide)).is_ok());
        }
        acknowledged[w] = n;
      }
    });
  }
  for (int i = 0; i < kCopies; ++i) {
    std::vector<uint64_t> least;
    for (auto& n : acknowledged) least.push_back(n);
    const auto copied = database.snapshot(copy_path(i));
    ASSERT_TRUE(copied.is_ok()) << copied.status().to_string();
    std::vector<uint64_t> most;
    for (auto& n : begun) most.push_back(n);
    Database copy = open_or_die(copy_path(i), {.automatic_index = false});
    expect_sound(copy);
    const auto points = copy.collection();
    for (size_t w = 0; w < kWriters; ++w) {
      std::map<std::string, size_t> payloads;
      for (const uint64_t key : numbers(kKeys, w * kKeys)) {
        const auto found = points->get(Key(key));
        if (!found.is_ok()) continue;
        ++payloads[found->payload.value()];
        const uint64_t n = std::stoull(found->payload->substr(5));
        EXPECT_EQ(static_cast<uint8_t>(found->vector.bytes[0]), n % 250 + 1);
        EXPECT_GE(n, least[w]);
        EXPECT_LE(n, most[w]);
      }
      if (least[w] > 0) {
        ASSERT_EQ(payloads.size(), 1u) << "writer " << w;
      }
      for (const auto& [payload, count] : payloads) EXPECT_EQ(count, kKeys);
    }
    std::set<float> values;
    for (const uint64_t key : numbers(300)) {
      const auto found = copy.collection("wide")->get(Key(key));
      if (found.is_ok()) values.insert(static_cast<float>(found->vector.at(0)));
    }
    EXPECT_LE(values.size(), 1u) << "all of one batch";
    ASSERT_TRUE(copy.close().is_ok());
    std::filesystem::remove_all(copy_path(i));
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  expect_sound(database);
}

// --- Of graphs that change.

constexpr size_t kWideDim = 64;
// On disk alone.
const IndexOptions kOnDisk = {.rebuild = true, .serving_memory_bytes = 1};
const IndexOptions kTakeIn = {.serving_memory_bytes = 1};

// Writers that put groups of keys in, move them and take them out, each group at once. Each change
// of a group has a number, one more than the last.
class ChangingGroups {
 public:
  static constexpr size_t kGroupKeys = 16;
  static constexpr size_t kGroups = 12;      // of one writer
  static constexpr uint64_t kEraseEach = 4;  // changes
  static constexpr uint64_t kFirstKey = 100'000;

  explicit ChangingGroups(size_t writers) : begun_(writers * kGroups), done_(writers * kGroups) {}
  size_t size() const { return begun_.size(); }

  static std::vector<uint64_t> keys_of(size_t group) {
    return numbers(kGroupKeys, kFirstKey + group * kGroupKeys);
  }
  static std::vector<std::byte> rows_of(size_t group, uint64_t number) {
    RowMaker maker(ScalarType::kF32, kWideDim, 1);  // clusters as those of all others
    std::vector<std::byte> rows;
    maker.rows(number % 50 + group % 50);
    return maker.rows(kGroupKeys);
  }
  static std::string payload_of(uint64_t number) {
    return "{\"n\":" + std::to_string(number) + "}";
  }
  void change(Collection& collection, size_t group) {
    const uint64_t number = ++begun_[group];
    if (number % kEraseEach == 0) {
      EXPECT_EQ(*collection.erase(keys_of(group)), kGroupKeys);
    } else {
      const auto rows = rows_of(group, number);
      const std::vector<std::string> payloads(kGroupKeys, payload_of(number));
      const auto counts = collection.upsert(
          keys_of(group), MatrixView(ScalarType::kF32, rows.data(), kGroupKeys, kWideDim),
          {.payloads = payloads});
      EXPECT_TRUE(counts.is_ok()) << counts.status().to_string();
    }
    done_[group] = number;
  }
  std::vector<uint64_t> begun() const { return {begun_.begin(), begun_.end()}; }
  std::vector<uint64_t> done() const { return {done_.begin(), done_.end()}; }

  // A group is as one of its changes between these two left it.
  static void check(const Collection& collection, size_t group, uint64_t least, uint64_t most) {
    SCOPED_TRACE("group " + std::to_string(group));
    std::vector<Point> points;
    for (const uint64_t key : keys_of(group)) {
      const auto found = collection.get(Key(key));
      if (found.is_ok()) points.push_back(*found);
    }
    if (points.empty()) {
      EXPECT_TRUE(least == 0 || most / kEraseEach > (least - 1) / kEraseEach)
          << "no erase in " << least << " to " << most;
      return;
    }
    ASSERT_EQ(points.size(), kGroupKeys);
    const uint64_t number = std::stoull(points.front().payload.value().substr(5));
    EXPECT_GE(number, least);
    EXPECT_LE(number, most);
    const auto rows = rows_of(group, number);
    const size_t row_bytes = rows.size() / kGroupKeys;
    for (size_t i = 0; i < kGroupKeys; ++i) {
      EXPECT_EQ(points[i].payload, payload_of(number));
      EXPECT_TRUE(std::equal(points[i].vector.bytes.begin(), points[i].vector.bytes.end(),
                             rows.begin() + static_cast<ptrdiff_t>(i * row_bytes)));
    }
  }

 private:
  std::vector<std::atomic<uint64_t>> begun_, done_;
};

class ChangingSnapshotTest : public SnapshotTest {
 protected:
  static constexpr uint64_t kBuildBytes = 256u << 20;
  static constexpr uint64_t kServeBytes = 48u << 20;
  static DatabaseOptions options(bool automatic, uint64_t memory_bytes = kServeBytes) {
    return {.memory_limit_bytes = memory_bytes,
            .thread_count = 2,
            .automatic_index = automatic,
            .index_points_min = 200};
  }

  void add(Collection& collection, uint64_t first, size_t count) {
    const auto rows = maker_.rows(count);
    const auto counts = collection.upsert(
        numbers(count, first), MatrixView(ScalarType::kF32, rows.data(), count, kWideDim));
    EXPECT_TRUE(counts.is_ok()) << counts.status().to_string();
  }
  Collection make(Database& database, size_t points) {
    auto collection = database.create_collection("default", {.dim = kWideDim});
    EXPECT_TRUE(collection.is_ok());
    add(*collection, 0, points);
    const Status built = collection->build_index(kOnDisk);
    EXPECT_TRUE(built.is_ok()) << built.to_string();
    return *collection;
  }
  double recall(const Collection& collection) {
    const auto rows = maker_.rows(20);
    return checked_recall(collection, MatrixView(ScalarType::kF32, rows.data(), 20, kWideDim));
  }
  static bool has_caught_up(const Collection& collection) {
    for (int i = 0; i < 1200; ++i) {
      const auto info = *collection.info();
      if (info.index.points == info.points && info.index.dead_nodes == 0) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    return false;
  }
  // What a copy's owner may do with it, slots written again included.
  void use(const std::string& path) {
    {
      Database copy = open_or_die(path, options(false, kBuildBytes));
      Collection collection = copy.collection().value();
      add(collection, 0, 40);  // before the graph is read
      EXPECT_GE(recall(collection), 0.9);
      EXPECT_EQ(collection.info()->index_error, "");
      for (uint64_t round = 0; round < 3; ++round) {
        EXPECT_TRUE(collection.erase(numbers(40, 200 + round * 40)).is_ok());
        const Status taken = collection.build_index(kTakeIn);
        EXPECT_TRUE(taken.is_ok()) << taken.to_string();
        add(collection, 1'000'000 + round * 30, 30);
        EXPECT_GE(recall(collection), 0.9);
      }
      expect_sound(copy);
    }
    Database copy = open_or_die(path, options(true));
    const Collection collection = copy.collection().value();
    EXPECT_GE(recall(collection), 0.9);
    const bool caught_up = has_caught_up(collection);
    const CollectionInfo info = *collection.info();
    EXPECT_TRUE(caught_up) << info.regime << ": " << info.points << " points, " << info.index.points
                           << " in the graph, " << info.index.dead_nodes << " dead; "
                           << info.index_error;
    EXPECT_GE(recall(collection), 0.9);
    expect_sound(copy);
  }

  RowMaker maker_{ScalarType::kF32, kWideDim, 1};
};

TEST_F(ChangingSnapshotTest, CopiesOfAGraphThatChangesHoldWhatTheyShould) {
  constexpr size_t kWriters = 2;
  {
    Database database = open_or_die(directory_.database(), options(false, kBuildBytes));
    make(database, 6000);
  }
  Database database = open_or_die(directory_.database(), options(true));
  Collection collection = database.collection().value();
  ASSERT_GE(recall(collection), 0.9);
  ChangingGroups groups(kWriters);
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (size_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937 random(static_cast<uint32_t>(w));
      Collection mine = collection;
      while (!stop) {
        groups.change(mine, w * ChangingGroups::kGroups + random() % ChangingGroups::kGroups);
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
      }
    });
  }
  for (int i = 0; i < 8; ++i) {
    SCOPED_TRACE("copy " + std::to_string(i));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto least = groups.done();
    {
      std::optional<Database> reader;  // the command line tool is one
      if (i % 3 == 2) reader = open_or_die(directory_.database(), {.read_only = true});
      const auto copied = (reader ? *reader : database).snapshot(copy_path(i));
      ASSERT_TRUE(copied.is_ok()) << copied.status().to_string();
    }
    const auto most = groups.begun();
    {
      Database copy = open_or_die(copy_path(i), options(false));
      expect_sound(copy);
      const Collection points = copy.collection().value();
      for (size_t group = 0; group < groups.size(); ++group) {
        ChangingGroups::check(points, group, least[group], most[group]);
      }
      EXPECT_GE(recall(points), 0.9);
      EXPECT_EQ(points.info()->regime, "disk") << points.info()->index_error;
      EXPECT_LT(points.info()->index.unindexed_points, 1000u);
    }
    if (i % 4 == 2) use(copy_path(i));
    std::filesystem::remove_all(copy_path(i));
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(collection.info()->index.updates.checkpoints, 0u);
  expect_sound(database);
}

// Dead nodes at the end of the vectors file, where a copy has no rows.
TEST_F(ChangingSnapshotTest, SlotsThatTheGraphNamesRestInTheCopyToo) {
  for (const bool is_resident : {false, true}) {
    SCOPED_TRACE(is_resident);
    TemporaryDirectory directory;
    Database database = open_or_die(directory.database(), options(false, kBuildBytes));
    Collection collection = make(database, 5000);
    if (is_resident) {
      ASSERT_TRUE(collection.build_index({.rebuild = true}));
    }
    ASSERT_TRUE(collection.erase(numbers(3500, 1500)).is_ok());
    ASSERT_TRUE(database.snapshot(copy_path(is_resident)).is_ok());
    use(copy_path(is_resident));
  }
}

// A page that cannot be read costs the copy its graph, and nothing else.
TEST_F(ChangingSnapshotTest, ADamagedGraphStaysBehind) {
  Database database = open_or_die(directory_.database(), options(false, kBuildBytes));
  make(database, 1000);
  const std::string pages = "/collections/000001/graph-000001.pages";
  {
    std::fstream file(directory_.database() + pages, std::ios::in | std::ios::out);
    file.seekp(300'000);
    file << "not what was there";
  }
  ASSERT_TRUE(database.snapshot(copy_path()).is_ok());
  EXPECT_FALSE(std::filesystem::exists(copy_path() + pages));
  Database copy = open_or_die(copy_path(), options(false, kBuildBytes));
  EXPECT_EQ(state_of(copy), state_of(database));
  EXPECT_EQ(recall(*copy.collection()), 1);
  EXPECT_EQ(copy.collection()->info()->regime, "exact");
  ASSERT_TRUE(copy.collection()->build_index(kOnDisk));
  EXPECT_GE(recall(*copy.collection()), 0.9);
  expect_sound(copy);
}

// --- On simulated files.

constexpr const char* kPath = "/db.rox";
constexpr const char* kCopyPath = "/copy.rox";

DatabaseOptions simulated(SimulatedFileSystem& file_system, Durability durability) {
  return {.create_if_missing = true,
          .durability = durability,
          .memory_limit_bytes = 64u << 20,
          .thread_count = 1,
          .automatic_index = false,
          .file_system = &file_system};
}

struct Case {
  bool as_reader;
  bool can_clone;
};

class SimulatedSnapshotTest : public testing::TestWithParam<Case> {
 protected:
  // What is there before a copy is made, and how.
  struct World {
    explicit World(const Case& how, uint64_t seed = 1) : how_(how), file_system(seed) {
      file_system.set_can_clone(how.can_clone);
      writer.emplace(open_or_die(kPath, simulated(file_system, Durability::kNone)));
      fill(*writer);
      // Sorted files, and then a log.
      EXPECT_TRUE(writer->close().is_ok());
      writer.emplace(open_or_die(kPath, simulated(file_system, Durability::kNone)));
      Collection small = *writer->collection("small");
      EXPECT_TRUE(upsert_batch(small, numbers(30, 90), 5).is_ok());
      state = state_of(*writer);
      if (how.as_reader) {
        reader.emplace(open_or_die(
            kPath,
            {.read_only = true, .memory_limit_bytes = 64u << 20, .file_system = &file_system}));
      }
    }
    Result<SnapshotReport> snapshot() const {
      return (how_.as_reader ? reader : writer)->snapshot(kCopyPath);
    }
    void close() {
      reader.reset();
      writer.reset();
    }

    const Case how_;
    SimulatedFileSystem file_system;
    std::optional<Database> writer;
    std::optional<Database> reader;
    State state;
  };

  static bool is_there(SimulatedFileSystem& file_system) { return *file_system.exists(kCopyPath); }
};

// A copy that was cut off is no database; one that was acknowledged is there, whole.
TEST_P(SimulatedSnapshotTest, APowerCutLeavesNoDatabaseOrAWholeOne) {
  uint64_t before = 0, operations = 0;
  {
    World world(GetParam());
    before = world.file_system.operation_count();
    ASSERT_TRUE(world.snapshot().is_ok());
    operations = world.file_system.operation_count() - before;
    world.close();
  }
  uint64_t whole = 0;
  for (uint64_t at = 1; at <= operations + 1; at += kPlacesApart) {
    SCOPED_TRACE("crash at operation " + std::to_string(at) + " of " + std::to_string(operations));
    World world(GetParam(), at);
    ASSERT_TRUE(world.writer->flush().is_ok());
    if (at <= operations) world.file_system.set_crash_at(at);
    const bool acknowledged = world.snapshot().is_ok();
    world.close();
    const PowerCutPolicy policies[] = {PowerCutPolicy::kDropAll, PowerCutPolicy::kKeepAll,
                                       PowerCutPolicy::kRandom};
    world.file_system.power_cycle(at * 1000003, policies[at % 3]);
    const auto copy =
        Database::open(kCopyPath, {.read_only = true, .file_system = &world.file_system});
    EXPECT_TRUE(copy.is_ok() || copy.status().code() == StatusCode::kNotFound)
        << copy.status().to_string();
    EXPECT_TRUE(copy.is_ok() || !acknowledged);
    if (copy.is_ok()) {
      ++whole;
      EXPECT_EQ(state_of_copy(kCopyPath, &world.file_system), world.state);
    }
    EXPECT_EQ(state_of_copy(kPath, &world.file_system), world.state);
    if (testing::Test::HasFailure()) break;
  }
  std::printf("%llu crash points, %llu whole copies\n", static_cast<unsigned long long>(operations),
              static_cast<unsigned long long>(whole));
}

// After a failure nothing is left, the source goes on, and the same call works.
TEST_P(SimulatedSnapshotTest, AFailureLeavesNothingBehind) {
  for (const Operation operation : {Operation::kWrite, Operation::kSync, Operation::kCreate,
                                    Operation::kRename, Operation::kCreateDirectory}) {
    for (uint64_t nth = 1;; nth += kPlacesApart) {
      SCOPED_TRACE("operation " + std::to_string(static_cast<int>(operation)) + ", number " +
                   std::to_string(nth));
      World world(GetParam());
      world.file_system.inject({.operation = operation,
                                .occurrence = nth,
                                .code = nth % 2 == 0 ? StatusCode::kDiskFull : StatusCode::kIoError,
                                .path_contains = kCopyPath});
      const auto failed = world.snapshot();
      world.file_system.clear_faults();
      if (failed.is_ok()) break;  // fewer such operations than that
      EXPECT_FALSE(is_there(world.file_system)) << failed.status().to_string();
      Collection small = *world.writer->collection("small");
      ASSERT_TRUE(upsert_batch(small, {9999}, 3).is_ok()) << "the source goes on";
      const auto again = world.snapshot();
      ASSERT_TRUE(again.is_ok()) << again.status().to_string();
      if (!GetParam().as_reader) world.state = state_of(*world.writer);
      EXPECT_EQ(state_of_copy(kCopyPath, &world.file_system), world.state);
      world.close();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, SimulatedSnapshotTest,
                         testing::Values(Case{false, false}, Case{true, false}, Case{false, true},
                                         Case{true, true}),
                         [](const auto& test) {
                           return std::string(test.param.as_reader ? "reader" : "writer") +
                                  (test.param.can_clone ? "_clones" : "_copies");
                         });

// As between two file systems.
TEST(Links, WhatCannotBeLinkedIsCopied) {
  SimulatedFileSystem file_system;
  Database database = open_or_die(kPath, simulated(file_system, Durability::kFull));
  fill(database);
  ASSERT_TRUE(database.close().is_ok());
  database = open_or_die(kPath, simulated(file_system, Durability::kFull));
  const auto linked = database.snapshot(kCopyPath);
  ASSERT_TRUE(linked.is_ok()) << linked.status().to_string();
  EXPECT_GT(linked->bytes_shared, 0u);
  file_system.inject({.operation = Operation::kLink, .sticky = true});
  const auto copied = database.snapshot("/other.rox");
  ASSERT_TRUE(copied.is_ok()) << copied.status().to_string();
  EXPECT_EQ(copied->bytes_shared, 0u);
  EXPECT_EQ(state_of_copy("/other.rox", &file_system), state_of(database));
}

TEST(FullDisk, FailsTheCopyAndNothingElse) {
  SimulatedFileSystem file_system;
  Database database = open_or_die(kPath, simulated(file_system, Durability::kFull));
  fill(database);
  uint64_t used = 0;
  for (const auto& file : file_system.files()) used += file.size;
  file_system.set_capacity_bytes(used + (1u << 20));
  const auto full = database.snapshot(kCopyPath);
  EXPECT_EQ(full.status().code(), StatusCode::kDiskFull) << full.status().to_string();
  EXPECT_FALSE(*file_system.exists(kCopyPath));
  file_system.set_capacity_bytes(64u << 20);
  EXPECT_TRUE(database.snapshot(kCopyPath).is_ok());
}

// What can still be read can still be saved. Keeps D6.
TEST(FailedSync, ADatabaseThatTakesNoMoreWritesCanBeCopied) {
  SimulatedFileSystem file_system;
  Database database = open_or_die(kPath, simulated(file_system, Durability::kFull));
  fill(database);
  const State state = state_of(database);
  Collection small = *database.collection("small");
  file_system.inject({.operation = Operation::kSync, .sticky = true, .path_contains = kPath});
  EXPECT_EQ(upsert_batch(small, {5}, 77).code(), StatusCode::kIoError);
  EXPECT_EQ(upsert_batch(small, {5}, 77).code(), StatusCode::kReadOnly);
  const auto copied = database.snapshot(kCopyPath);
  ASSERT_TRUE(copied.is_ok()) << copied.status().to_string();
  State copy = state_of_copy(kCopyPath, &file_system);
  // The batch that failed may be there, whole.
  if (copy["small"][Key(uint64_t{5})].payload == "{\"n\":77}") {
    copy["small"][Key(uint64_t{5})] = state.at("small").at(Key(uint64_t{5}));
  }
  EXPECT_EQ(copy, state);
}

}  // namespace
}  // namespace roxanne
