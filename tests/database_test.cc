// The public door: what it promises, and what it answers to bad input.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <thread>

#include "base/sanitized.h"
#include "roxanne/roxanne.h"
#include "temporary_directory.h"

namespace roxanne {
namespace {

using testing_support::TemporaryDirectory;

constexpr size_t kDim = 8;

Database open_or_die(const std::string& path, DatabaseOptions options = {}) {
  options.create_if_missing = !options.read_only;
  auto database = Database::open(path, options);
  if (!database.is_ok()) ADD_FAILURE() << database.status().to_string();
  return std::move(database).value();
}

std::vector<float> ramp(size_t rows, float start = 0) {
  std::vector<float> values(rows * kDim);
  for (size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<float>(i);
  return values;
}

std::vector<uint64_t> numbers(size_t count, uint64_t first = 0) {
  std::vector<uint64_t> keys(count);
  for (size_t i = 0; i < count; ++i) keys[i] = first + i;
  return keys;
}

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() : database_(open_or_die(directory_.database())) {}

  Collection make(CollectionOptions options = {.dim = kDim}, std::string_view name = "default") {
    auto collection = database_.create_collection(name, options);
    if (!collection.is_ok()) ADD_FAILURE() << collection.status().to_string();
    return *collection;
  }
  void reopen(DatabaseOptions options = {}) {
    ASSERT_TRUE(database_.close());
    database_ = open_or_die(directory_.database(), options);
  }
  void expect_sound() {
    const auto report = database_.verify();
    ASSERT_TRUE(report.is_ok()) << report.status().to_string();
    for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
  }

  TemporaryDirectory directory_;
  Database database_;
};

TEST_F(DatabaseTest, VerifyStopsWhenToldTo) {
  Collection collection = make();
  const auto values = ramp(100);
  ASSERT_TRUE(collection.upsert(numbers(100), MatrixView::f32(values.data(), 100, kDim)).is_ok());
  const auto stopped = database_.verify({.progress = [](double) { return false; }});
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_EQ(stopped.status().code(), StatusCode::kCancelled);
  // Nothing is held any more.
  expect_sound();
  ASSERT_TRUE(collection.erase(numbers(1)).is_ok());
}

TEST_F(DatabaseTest, WhatWasUpsertedIsFoundAndSurvivesReopening) {
  Collection collection = make();
  const auto values = ramp(100);
  const auto counts = collection.upsert(numbers(100), MatrixView::f32(values.data(), 100, kDim));
  ASSERT_TRUE(counts.is_ok()) << counts.status().to_string();
  EXPECT_EQ(counts->inserted, 100u);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(collection.size(), 100u);
    const auto found =
        collection.search(VectorView::f32({values.data() + 7 * kDim, kDim}), {.k = 3});
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    ASSERT_EQ(found->size(), 3u);
    EXPECT_EQ((*found)[0].key, Key(uint64_t{7}));
    EXPECT_EQ((*found)[0].distance, 0);
    const auto point = collection.get(Key(uint64_t{42}));
    ASSERT_TRUE(point.is_ok());
    EXPECT_EQ(point->vector.at(0), 42 * kDim);
    EXPECT_FALSE(point->payload.has_value());
    expect_sound();
    reopen();
    collection = *database_.collection();
  }
}

TEST_F(DatabaseTest, UpsertReplacesVectorAndPayload) {
  Collection collection = make();
  const auto values = ramp(2);
  const std::vector<std::string> payloads = {R"({"a":1})", ""};
  ASSERT_TRUE(collection.upsert(numbers(2), MatrixView::f32(values.data(), 2, kDim),
                                {.payloads = payloads}));
  EXPECT_EQ(collection.get(Key(uint64_t{0}))->payload, R"({"a":1})");
  EXPECT_FALSE(collection.get(Key(uint64_t{1}))->payload.has_value());
  const auto other = ramp(1, 1000);
  const auto counts = collection.upsert(numbers(1), MatrixView::f32(other.data(), 1, kDim));
  ASSERT_TRUE(counts.is_ok());
  EXPECT_EQ(counts->replaced, 1u);
  EXPECT_EQ(collection.size(), 2u);
  EXPECT_EQ(collection.get(Key(uint64_t{0}))->vector.at(0), 1000);
  EXPECT_FALSE(collection.get(Key(uint64_t{0}))->payload.has_value());
  expect_sound();
}

TEST_F(DatabaseTest, OnDuplicateErrorChangesNothingAndSkipKeepsTheOld) {
  Collection collection = make();
  const auto values = ramp(3);
  ASSERT_TRUE(collection.upsert(numbers(1), MatrixView::f32(values.data(), 1, kDim)));
  const auto other = ramp(3, 500);
  const auto refused = collection.upsert(numbers(3), MatrixView::f32(other.data(), 3, kDim),
                                         {.on_duplicate = OnDuplicate::kError});
  EXPECT_EQ(refused.status().code(), StatusCode::kAlreadyExists);
  EXPECT_NE(refused.status().message().find("key 0"), std::string::npos);
  EXPECT_EQ(collection.size(), 1u);
  const auto skipped = collection.upsert(numbers(3), MatrixView::f32(other.data(), 3, kDim),
                                         {.on_duplicate = OnDuplicate::kSkip});
  ASSERT_TRUE(skipped.is_ok());
  EXPECT_EQ(skipped->inserted, 2u);
  EXPECT_EQ(skipped->skipped, 1u);
  EXPECT_EQ(collection.get(Key(uint64_t{0}))->vector.at(0), 0);
  EXPECT_EQ(collection.get(Key(uint64_t{1}))->vector.at(0), 500 + kDim);
  expect_sound();
}

TEST_F(DatabaseTest, StringKeysLeadThereAndBack) {
  Collection collection = make({.dim = kDim, .key_type = KeyType::kString});
  const std::vector<std::string> keys = {"ant", "bee", std::string(kKeyBytesMax, 'x')};
  const auto values = ramp(3);
  ASSERT_TRUE(collection.upsert(keys, MatrixView::f32(values.data(), 3, kDim)));
  const auto found = collection.search(VectorView::f32({values.data() + kDim, kDim}), {.k = 1});
  ASSERT_TRUE(found.is_ok());
  EXPECT_EQ((*found)[0].key, Key("bee"));
  EXPECT_EQ(*collection.erase(std::vector<std::string>{"bee", "bee", "wasp"}), 1u);
  EXPECT_EQ(collection.get(Key("bee")).status().code(), StatusCode::kNotFound);
  reopen();
  EXPECT_EQ(database_.collection()->size(), 2u);
  expect_sound();
}

TEST_F(DatabaseTest, BadVectorsAndKeysAreRefusedWhole) {
  Collection collection = make({.dim = kDim, .metric = Metric::kCosine});
  auto values = ramp(3, 1);
  const auto upsert = [&](size_t dim = kDim) {
    return collection.upsert(numbers(3), MatrixView::f32(values.data(), 3, dim)).status();
  };
  EXPECT_EQ(upsert(kDim - 1).code(), StatusCode::kInvalidArgument);
  for (const float bad :
       {std::nanf(""), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max()}) {
    values = ramp(3, 1);
    values[kDim + 3] = bad;
    EXPECT_EQ(upsert().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(upsert().message().find("row 1"), std::string::npos) << upsert().message();
    EXPECT_EQ(collection.search(VectorView::f32({values.data() + kDim, kDim})).status().code(),
              StatusCode::kInvalidArgument);
  }
  values = ramp(3, 1);
  std::fill_n(values.begin() + 2 * kDim, kDim, 0.0f);
  EXPECT_NE(upsert().message().find("row 2 is a zero vector"), std::string::npos);
  const std::vector<uint64_t> twice = {5, 6, 5};
  values = ramp(3, 1);
  EXPECT_EQ(collection.upsert(twice, MatrixView::f32(values.data(), 3, kDim)).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(collection.upsert(numbers(2), MatrixView::f32(values.data(), 3, kDim)).status().code(),
            StatusCode::kInvalidArgument);
  const std::vector<std::string> words = {"a", "b", "c"};
  EXPECT_EQ(collection.upsert(words, MatrixView::f32(values.data(), 3, kDim)).status().code(),
            StatusCode::kInvalidArgument);
  const std::vector<uint8_t> bytes(3 * kDim, 1);
  EXPECT_EQ(collection.upsert(numbers(3), MatrixView::u8(bytes.data(), 3, kDim)).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(collection.size(), 0u);
  expect_sound();
}

TEST_F(DatabaseTest, BadPayloadsAreRefused) {
  Collection collection = make();
  const auto values = ramp(1);
  for (const std::string& bad :
       {std::string("{"), std::string("[1]"), std::string("3"), std::string("{} x"),
        "{\"a\":\"" + std::string(kPayloadBytesMax, 'x') + "\"}", std::string("{\"a\":nul}")}) {
    const std::vector<std::string> payloads = {bad};
    EXPECT_EQ(
        collection
            .upsert(numbers(1), MatrixView::f32(values.data(), 1, kDim), {.payloads = payloads})
            .status()
            .code(),
        StatusCode::kInvalidArgument)
        << bad.substr(0, 20);
  }
  EXPECT_EQ(collection.size(), 0u);
}

TEST_F(DatabaseTest, BadOptionsAreRefused) {
  EXPECT_EQ(database_.create_collection("x", {.dim = 0}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(database_.create_collection("x", {.dim = kDimMax + 1}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(database_.create_collection("a/b", {.dim = 4}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(database_.create_collection("", {.dim = 4}).status().code(),
            StatusCode::kInvalidArgument);
  Collection collection = make();
  EXPECT_EQ(database_.create_collection("default", {.dim = 4}).status().code(),
            StatusCode::kAlreadyExists);
  const auto query = ramp(1);
  EXPECT_EQ(collection.search(VectorView::f32(query), {.k = 0}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(collection.search(VectorView::f32(query), {.k = kSearchKMax + 1}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(collection.search(VectorView::f32(query))->empty()) << "an empty collection";
  EXPECT_EQ(Database::open(directory_.path() + "/none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(
      Database::open(directory_.path() + "/no/such", {.create_if_missing = true}).status().code(),
      StatusCode::kNotFound);
}

TEST_F(DatabaseTest, WhatIsLikeAPointHasKNeighboursWhateverKIs) {
  Collection collection = make();
  const size_t count = kSearchKMax + 5;
  std::vector<uint64_t> keys(count);
  std::iota(keys.begin(), keys.end(), 0);
  const auto values = ramp(count);
  ASSERT_TRUE(collection.upsert(keys, MatrixView::f32(values.data(), count, kDim)));
  const auto all = collection.search_like(Key(3), {.k = kSearchKMax});
  ASSERT_TRUE(all.is_ok()) << all.status().to_string();
  EXPECT_EQ(all->size(), kSearchKMax);
  const auto few = collection.search_like(Key(3), {.k = 2, .with_vector = true});
  ASSERT_TRUE(few.is_ok()) << few.status().to_string();
  ASSERT_EQ(few->size(), 2u);
  for (const Neighbor& neighbor : *few) EXPECT_NE(neighbor.key, Key(3));
  EXPECT_TRUE((*few)[0].vector.has_value());
  for (const size_t wrong : {size_t{0}, kSearchKMax + 1}) {
    EXPECT_EQ(collection.search_like(Key(3), {.k = wrong}).status().code(),
              StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(collection.search_like(Key(count)).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(collection.search_like(Key("3")).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(DatabaseTest, SecondWriterIsToldThePidAndReadersMayCome) {
  const auto second = Database::open(directory_.database());
  ASSERT_EQ(second.status().code(), StatusCode::kLocked);
  EXPECT_NE(second.status().message().find(std::to_string(getpid())), std::string::npos)
      << second.status().message();
  Collection collection = make();
  const auto values = ramp(10);
  ASSERT_TRUE(collection.upsert(numbers(10), MatrixView::f32(values.data(), 10, kDim)));
  Database reader = open_or_die(directory_.database(), {.read_only = true});
  EXPECT_EQ(reader.collection()->size(), 10u);
  EXPECT_EQ(reader.collection()
                ->upsert(numbers(1), MatrixView::f32(values.data(), 1, kDim))
                .status()
                .code(),
            StatusCode::kReadOnly);
  EXPECT_EQ(reader.create_collection("x", {.dim = 3}).status().code(), StatusCode::kReadOnly);
}

// Slots freed while a reader looks on must not be written: it would see foreign vectors.
TEST_F(DatabaseTest, AReaderKeepsItsMomentWhileAnotherProcessWrites) {
  Collection collection = make();
  const auto values = ramp(50);
  ASSERT_TRUE(collection.upsert(numbers(50), MatrixView::f32(values.data(), 50, kDim)));
  Database reader = open_or_die(directory_.database(), {.read_only = true});
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(collection.erase(numbers(50)).is_ok());
    const auto other = ramp(50, 7000);
    ASSERT_TRUE(collection.upsert(numbers(50), MatrixView::f32(other.data(), 50, kDim)));
  }
  EXPECT_EQ(reader.collection()->size(), 50u);
  for (uint64_t key = 0; key < 50; ++key) {
    const auto point = reader.collection()->get(Key(key));
    ASSERT_TRUE(point.is_ok()) << point.status().to_string();
    EXPECT_EQ(point->vector.at(0), static_cast<float>(key * kDim));
  }
  const auto found = reader.collection()->search(VectorView::f32({values.data(), kDim}), {.k = 50});
  ASSERT_TRUE(found.is_ok()) << found.status().to_string();
  EXPECT_EQ((*found)[0].distance, 0);
}

// ... and when the writer was closed and opened in between, so that it remembers nothing.
TEST_F(DatabaseTest, AReaderKeepsItsMomentWhileWritersComeAndGo) {
  Collection collection = make();
  const auto values = ramp(50);
  ASSERT_TRUE(collection.upsert(numbers(50), MatrixView::f32(values.data(), 50, kDim)));
  Database reader = open_or_die(directory_.database(), {.read_only = true});
  ASSERT_TRUE(collection.erase(numbers(25, 25)).is_ok());
  reopen();
  const auto other = ramp(25, 7000);
  ASSERT_TRUE(
      database_.collection()->upsert(numbers(25, 900), MatrixView::f32(other.data(), 25, kDim)));
  for (uint64_t key = 0; key < 50; ++key) {
    const auto point = reader.collection()->get(Key(key));
    ASSERT_TRUE(point.is_ok()) << point.status().to_string();
    EXPECT_EQ(point->vector.at(0), static_cast<float>(key * kDim));
  }
}

// Opening beside a busy writer: never an error, always whole batches.
TEST_F(DatabaseTest, ReadersCanOpenWhileAWriterIsBusy) {
  Collection collection = make({.dim = kDim, .key_type = KeyType::kString});
  std::vector<std::string> words, payloads;
  for (int i = 0; i < 50; ++i) {
    words.push_back("word " + std::to_string(i));
    payloads.push_back("{\"text\":\"" + std::string(2000, 'x') + "\"}");
  }
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::vector<float> values(50 * kDim, static_cast<float>(i));
      const auto counts = collection.upsert(words, MatrixView::f32(values.data(), 50, kDim),
                                            {.payloads = payloads});
      ASSERT_TRUE(counts.is_ok()) << counts.status().to_string();
      if (i % 20 == 19) {
        ASSERT_TRUE(collection.erase(words).is_ok());
      }
    }
  });
  for (int round = 0; round < (base::kIsSanitized ? 6 : 15); ++round) {
    auto reader =
        Database::open(directory_.database(), {.read_only = true, .memory_limit_bytes = 32u << 20});
    ASSERT_TRUE(reader.is_ok()) << reader.status().to_string();
    const auto seen = reader->collection();
    ASSERT_TRUE(seen.is_ok()) << seen.status().to_string();
    const std::vector<float> query(kDim, 0.0f);
    const auto found = seen->search(VectorView::f32(query), {.k = 100, .with_payload = true});
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    ASSERT_TRUE(found->empty() || found->size() == 50) << found->size();
    if (found->empty()) continue;
    EXPECT_EQ(found->front().distance, found->back().distance) << "all of one batch";
  }
  stop = true;
  writer.join();
}

TEST_F(DatabaseTest, FreedSlotsAreUsedAgain) {
  Collection collection = make();
  const auto values = ramp(64);
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(collection.upsert(numbers(64), MatrixView::f32(values.data(), 64, kDim)));
  }
  // Two generations are in the file at once; what lies beyond would be a leak.
  EXPECT_LE(collection.info()->slots, 2048u);
  ASSERT_TRUE(collection.erase(numbers(64)).is_ok());
  EXPECT_EQ(collection.size(), 0u);
  expect_sound();
}

TEST_F(DatabaseTest, ScansSeeOneMomentInBothOrders) {
  for (const KeyType key_type : {KeyType::kU64, KeyType::kString}) {
    Collection collection =
        make({.dim = kDim, .key_type = key_type}, std::string(key_type_name(key_type)));
    const auto values = ramp(300);
    std::vector<std::string> words, payloads;
    for (int i = 0; i < 300; ++i) {
      words.push_back("w" + std::to_string(1000 - i));
      payloads.push_back(i % 3 == 0 ? "{\"i\":" + std::to_string(i) + "}" : "");
    }
    const auto keys = numbers(300);
    const KeysView view = key_type == KeyType::kU64 ? KeysView(keys) : KeysView(words);
    ASSERT_TRUE(
        collection.upsert(view, MatrixView::f32(values.data(), 300, kDim), {.payloads = payloads}));
    for (const ScanOrder order : {ScanOrder::kAny, ScanOrder::kKey}) {
      auto scan = collection.scan(order);
      ASSERT_TRUE(scan.is_ok());
      // Written after the scan began: not seen.
      const auto other = ramp(1, 9999);
      const std::vector<uint64_t> new_number = {7000};
      const std::vector<std::string> new_word = {"zzz"};
      const KeysView late = key_type == KeyType::kU64 ? KeysView(new_number) : KeysView(new_word);
      ASSERT_TRUE(collection.upsert(late, MatrixView::f32(other.data(), 1, kDim)));
      std::map<Key, Point> seen;
      std::vector<Key> in_order;
      while (true) {
        auto points = scan->next(7);
        ASSERT_TRUE(points.is_ok()) << points.status().to_string();
        if (points->empty()) break;
        for (Point& point : *points) {
          in_order.push_back(point.key);
          seen[point.key] = std::move(point);
        }
      }
      ASSERT_TRUE(collection.erase(late).is_ok());
      ASSERT_EQ(seen.size(), 300u);
      for (size_t i = 0; i < 300; ++i) {
        const Point& point = seen.at(view.key(i));
        EXPECT_EQ(point.vector.at(0), values[i * kDim]);
        EXPECT_EQ(point.payload.value_or(""), payloads[i]);
      }
      if (order == ScanOrder::kKey) {
        EXPECT_TRUE(std::is_sorted(in_order.begin(), in_order.end()));
      }
    }
  }
}

TEST_F(DatabaseTest, AScanGoesOnBehindAKey) {
  Collection numbered = make({.dim = kDim}, "numbered");
  Collection named = make({.dim = kDim, .key_type = KeyType::kString}, "named");
  const auto values = ramp(4);
  const std::vector<std::string> words = {"a", std::string("a\0", 2), "ab", "b"};
  const std::vector<uint64_t> many = {1, 255, 256, 1ull << 40};
  ASSERT_TRUE(named.upsert(words, MatrixView::f32(values.data(), 4, kDim)));
  ASSERT_TRUE(numbered.upsert(many, MatrixView::f32(values.data(), 4, kDim)));
  const auto keys_after = [](const Collection& collection, const Key& after) {
    auto scan = collection.scan(
        ScanOptions{.order = ScanOrder::kKey, .after = after, .with_vector = false});
    EXPECT_TRUE(scan.is_ok()) << scan.status().to_string();
    std::vector<Key> keys;
    for (const Point& point : scan->next(10).value()) {
      EXPECT_TRUE(point.vector.bytes.empty());
      keys.push_back(point.key);
    }
    return keys;
  };
  EXPECT_EQ(keys_after(named, "a"), (std::vector<Key>{words[1], words[2], words[3]}));
  EXPECT_EQ(keys_after(named, "aa"), (std::vector<Key>{words[2], words[3]}));
  EXPECT_EQ(keys_after(named, "b"), std::vector<Key>());
  EXPECT_EQ(keys_after(numbered, uint64_t{255}), (std::vector<Key>{many[2], many[3]}));
  EXPECT_EQ(keys_after(numbered, uint64_t{0}).size(), 4u);
  EXPECT_EQ(keys_after(numbered, UINT64_MAX).size(), 0u);
  for (const ScanOptions& wrong : {ScanOptions{.order = ScanOrder::kKey, .after = Key("a")},
                                   ScanOptions{.after = Key(uint64_t{1})}}) {
    EXPECT_EQ(numbered.scan(wrong).status().code(), StatusCode::kInvalidArgument);
  }
}

TEST_F(DatabaseTest, DroppedAndClosedCollectionsSaySo) {
  Collection collection = make();
  ASSERT_TRUE(database_.drop_collection("default"));
  EXPECT_EQ(collection.get(Key(uint64_t{1})).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(database_.drop_collection("default").code(), StatusCode::kNotFound);
  Collection second = make();
  const auto values = ramp(1);
  ASSERT_TRUE(second.upsert(numbers(1), MatrixView::f32(values.data(), 1, kDim)));
  ASSERT_TRUE(database_.close());
  EXPECT_EQ(second.get(Key(uint64_t{0})).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(second.size(), 0u);
  EXPECT_EQ(database_.collection().status().code(), StatusCode::kNotFound);
  database_ = open_or_die(directory_.database());
  EXPECT_EQ(database_.collection()->size(), 1u);
}

TEST_F(DatabaseTest, VectorsBeyondTheMemoryLimitAreStreamed) {
  constexpr size_t kWide = 256, kCount = 30000;  // 30 MB of vectors
  Collection collection = make({.dim = kWide, .metric = Metric::kCosine});
  std::mt19937 random(9);
  std::vector<float> values(kCount * kWide);
  for (float& value : values) value = static_cast<float>(random() % 1000) - 500;
  ASSERT_TRUE(collection.upsert(numbers(kCount), MatrixView::f32(values.data(), kCount, kWide)));
  const MatrixView queries = MatrixView::f32(values.data(), 20, kWide);
  const auto expected = collection.search(queries, {.k = 5});
  ASSERT_TRUE(expected.is_ok());
  reopen({.memory_limit_bytes = 32u << 20});
  collection = *database_.collection();
  for (int round = 0; round < 2; ++round) {
    SearchStats stats;
    const auto found = collection.search(queries, {.k = 5, .stats = &stats});
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    EXPECT_GT(stats.bytes_read, 20u << 20) << "what does not fit is read every time";
    EXPECT_GT(stats.read_rounds, 0u);
    EXPECT_LE(stats.read_rounds, stats.reads);
    EXPECT_GT(stats.read_wait_us, 0);
    EXPECT_EQ(stats.distance_computations / stats.queries / 1000, kCount / 1000);
    for (size_t q = 0; q < queries.rows(); ++q) {
      for (size_t i = 0; i < 5; ++i) {
        EXPECT_EQ((*found)[q][i].key, (*expected)[q][i].key);
        EXPECT_EQ((*found)[q][i].distance, (*expected)[q][i].distance);
      }
    }
  }
  EXPECT_LT(collection.info()->bytes_in_memory, 8u << 20);
}

TEST(SearchStats, SumsAddEveryFieldAndKeepTheLongestList) {
  const SearchStats one{.queries = 1,
                        .reads = 2,
                        .bytes_read = 3,
                        .cache_hits = 4,
                        .read_rounds = 5,
                        .distance_computations = 6,
                        .hops = 7,
                        .latency_us = 8.25,
                        .seed_us = 9.25,
                        .walk_us = 10.25,
                        .read_wait_us = 11.25,
                        .result_us = 12.25,
                        .search_list_size_used = 13};
  SearchStats sum{.search_list_size_used = 12};
  sum += one;
  sum += one;
  EXPECT_EQ(sum.queries, 2u);
  EXPECT_EQ(sum.reads, 4u);
  EXPECT_EQ(sum.bytes_read, 6u);
  EXPECT_EQ(sum.cache_hits, 8u);
  EXPECT_EQ(sum.read_rounds, 10u);
  EXPECT_EQ(sum.distance_computations, 12u);
  EXPECT_EQ(sum.hops, 14u);
  EXPECT_EQ(sum.latency_us, 16.5);
  EXPECT_EQ(sum.seed_us, 18.5);
  EXPECT_EQ(sum.walk_us, 20.5);
  EXPECT_EQ(sum.read_wait_us, 22.5);
  EXPECT_EQ(sum.result_us, 24.5);
  EXPECT_EQ(sum.search_list_size_used, 13u);
}

TEST_F(DatabaseTest, ExactSearchesSayWhatTheyCost) {
  constexpr size_t kCount = 3000;
  Collection collection = make();
  const auto values = ramp(kCount);
  ASSERT_TRUE(collection.upsert(numbers(kCount), MatrixView::f32(values.data(), kCount, kDim)));
  reopen();
  collection = *database_.collection();
  SearchStats first;
  const MatrixView queries = MatrixView::f32(values.data(), 6, kDim);
  ASSERT_TRUE(collection.search(queries, {.thread_count = 1, .stats = &first}).is_ok());
  EXPECT_GT(first.reads, 0u);
  EXPECT_EQ(first.read_rounds, first.reads) << "blocks that stay are loaded one after the other";
  EXPECT_EQ(first.cache_hits, 0u);
  EXPECT_GT(first.read_wait_us, 0);
  SearchStats batch;
  ASSERT_TRUE(collection.search(queries, {.thread_count = 1, .stats = &batch}).is_ok());
  EXPECT_EQ(batch.reads + batch.read_rounds + batch.hops + batch.search_list_size_used, 0u);
  EXPECT_EQ(batch.read_wait_us, 0);
  EXPECT_EQ(batch.cache_hits, first.reads);
  EXPECT_GT(batch.seed_us, 0);
  EXPECT_GT(batch.walk_us, 0);
  EXPECT_GT(batch.result_us, 0);
  EXPECT_LE(batch.seed_us + batch.walk_us + batch.result_us, batch.latency_us);
  SearchStats singles;
  for (size_t q = 0; q < queries.rows(); ++q) {
    const VectorView query = VectorView::f32({values.data() + q * kDim, kDim});
    ASSERT_TRUE(collection.search(query, {.thread_count = 1, .stats = &singles}).is_ok());
  }
  EXPECT_EQ(singles.queries, batch.queries);
  EXPECT_EQ(singles.distance_computations, batch.distance_computations);
  EXPECT_EQ(singles.cache_hits, batch.cache_hits * queries.rows()) << "a batch looks once";
}

TEST_F(DatabaseTest, InfoNamesThePartsOfMemory) {
  Collection collection = make();
  const auto values = ramp(500);
  ASSERT_TRUE(collection.upsert(numbers(500), MatrixView::f32(values.data(), 500, kDim)));
  ASSERT_TRUE(collection.search(VectorView::f32({values.data(), kDim})).is_ok());
  make({.dim = 2}, "other");
  const auto info = database_.info();
  ASSERT_TRUE(info.is_ok());
  EXPECT_GT(info->resident_set_bytes, 1u << 20);
  ASSERT_EQ(info->memory.size(), 1u);
  EXPECT_EQ(info->memory[0].name, "store");
  EXPECT_GT(info->memory[0].bytes, 0u);
  uint64_t used = info->memory[0].bytes;
  for (const CollectionInfo& one : info->collections) {
    uint64_t sum = 0;
    for (const MemoryPart& part : one.memory) sum += part.bytes;
    EXPECT_EQ(sum, one.bytes_in_memory) << one.name;
    used += sum;
  }
  EXPECT_EQ(info->memory_used_bytes, used);
  const std::vector<MemoryPart>& parts = info->collections[0].memory;
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "vectors");
  EXPECT_GE(parts[0].bytes, values.size() * sizeof(float));
  EXPECT_EQ(parts[1].name, "live sets");
  EXPECT_GT(parts[1].bytes, 0u);
}

// Random batches against a map, through small and large commits, memory limits and reopenings.
struct ModelCase {
  ScalarType type;
  Durability durability;
  uint64_t memory_limit;
};
class ModelTest : public testing::TestWithParam<ModelCase> {};

TEST_P(ModelTest, AgreesWithAMap) {
  const ModelCase param = GetParam();
  TemporaryDirectory directory;
  const DatabaseOptions options{.durability = param.durability,
                                .memory_limit_bytes = param.memory_limit};
  constexpr size_t kWide = 96;
  Database database = open_or_die(directory.database(), options);
  auto collection = database.create_collection("default", {.dim = kWide, .type = param.type});
  ASSERT_TRUE(collection.is_ok());
  std::map<uint64_t, std::vector<std::byte>> model;
  std::mt19937 random(7);
  const size_t row_bytes = kWide * scalar_bytes(param.type);
  for (int step = 0; step < 60; ++step) {
    // Now and then more than the redo limit, so that rows are written first.
    const size_t count = step % 20 == 19 ? 12000 : random() % 200;
    std::map<uint64_t, std::vector<std::byte>> batch;
    for (size_t i = 0; i < count; ++i) {
      std::vector<std::byte> row(row_bytes);
      for (std::byte& byte : row) byte = std::byte(random() % 60);  // finite as any type
      batch[random() % 15000] = std::move(row);
    }
    std::vector<uint64_t> keys;
    std::vector<std::byte> rows;
    for (const auto& [key, row] : batch) {
      keys.push_back(key);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    if (step % 3 == 2) {
      const auto erased = collection->erase(keys);
      ASSERT_TRUE(erased.is_ok()) << erased.status().to_string();
      uint64_t expected = 0;
      for (const uint64_t key : keys) expected += model.erase(key);
      EXPECT_EQ(*erased, expected);
    } else {
      const auto counts =
          collection->upsert(keys, MatrixView(param.type, rows.data(), keys.size(), kWide));
      ASSERT_TRUE(counts.is_ok()) << counts.status().to_string();
      for (auto& [key, row] : batch) model[key] = std::move(row);
    }
    if (step % 15 == 14) {
      collection = Status::not_found("between");
      ASSERT_TRUE(database.close());
      database = open_or_die(directory.database(), options);
      collection = database.collection();
      ASSERT_TRUE(collection.is_ok()) << collection.status().to_string();
    }
    ASSERT_EQ(collection->size(), model.size());
    if (model.empty()) continue;
    // A stored vector finds itself (or its equal) at distance 0.
    const auto& [key, row] = *std::next(model.begin(), static_cast<long>(random() % model.size()));
    const auto found = collection->search(VectorView(param.type, row.data(), kWide), {.k = 3});
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    EXPECT_EQ((*found)[0].distance, 0);
    EXPECT_EQ(model.at((*found)[0].key.u64()), row);
  }
  for (const auto& [key, row] : model) {
    const auto point = collection->get(Key(key));
    ASSERT_TRUE(point.is_ok()) << point.status().to_string();
    ASSERT_EQ(point->vector.bytes, row);
  }
  const auto report = database.verify();
  ASSERT_TRUE(report.is_ok());
  EXPECT_TRUE(report->problems.empty()) << report->problems.front();
  EXPECT_EQ(report->points_checked, model.size());
}

INSTANTIATE_TEST_SUITE_P(
    All, ModelTest,
    testing::Values(ModelCase{ScalarType::kU8, Durability::kFull, 0},
                    ModelCase{ScalarType::kU8, Durability::kGrouped, 32u << 20},
                    ModelCase{ScalarType::kI8, Durability::kNone, 32u << 20},
                    ModelCase{ScalarType::kF16, Durability::kNone, 0},
                    ModelCase{ScalarType::kF32, Durability::kGrouped, 32u << 20}),
    [](const auto& test) {
      return std::string(scalar_type_name(test.param.type)) + "_durability_" +
             std::to_string(static_cast<int>(test.param.durability)) +
             (test.param.memory_limit == 0 ? "" : "_small_memory");
    });

// Readers see whole batches: every row of a batch carries the batch's number.
TEST_F(DatabaseTest, ConcurrentReadersSeeWholeBatches) {
  Collection collection = make();
  constexpr size_t kRows = 20;
  const auto write = [&](float number) {
    const std::vector<float> values(kRows * kDim, number);
    return collection.upsert(numbers(kRows), MatrixView::f32(values.data(), kRows, kDim)).status();
  };
  ASSERT_TRUE(write(0));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 1; i <= 150; ++i) EXPECT_TRUE(write(static_cast<float>(i)));
    stop = true;
  });
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      const std::vector<float> query(kDim, 0.0f);
      while (!stop) {
        const auto found = collection.search(VectorView::f32(query), {.k = 2 * kRows});
        ASSERT_TRUE(found.is_ok()) << found.status().to_string();
        ASSERT_EQ(found->size(), kRows);
        EXPECT_EQ(found->front().distance, found->back().distance);
      }
    });
  }
  writer.join();
  for (std::thread& reader : readers) reader.join();
  expect_sound();
}

TEST_F(DatabaseTest, ManyWritersShareCommits) {
  Collection collection = make();
  std::vector<std::thread> writers;
  for (uint64_t t = 0; t < 6; ++t) {
    writers.emplace_back([&, t] {
      for (uint64_t i = 0; i < 40; ++i) {
        const auto values = ramp(1, static_cast<float>(t * 1000 + i));
        const auto counts =
            collection.upsert(numbers(1, t * 1000 + i), MatrixView::f32(values.data(), 1, kDim));
        ASSERT_TRUE(counts.is_ok()) << counts.status().to_string();
        if (i % 4 == 3) {
          EXPECT_EQ(*collection.erase(numbers(1, t * 1000 + i - 1)), 1u);
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(collection.size(), 6u * 30u);
  reopen();
  EXPECT_EQ(database_.collection()->size(), 6u * 30u);
  expect_sound();
}

}  // namespace
}  // namespace roxanne
