// Folders written by earlier releases open and say what they said. One folder a format version,
// made once by this program: golden_test --make tests/golden/format-N. Never made anew.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

#include "roxanne/roxanne.h"
#include "temporary_directory.h"

namespace roxanne {
namespace {

constexpr size_t kDim = 8;
constexpr uint64_t kPoints = 40;
constexpr uint64_t kErased = 3;
constexpr uint64_t kGraphPointsMin = 30;  // so that these collections have graphs (format 2)

DatabaseOptions golden_options(DatabaseOptions options = {}) {
  options.automatic_index = false;
  options.index_points_min = kGraphPointsMin;
  options.memory_limit_bytes = 256u << 20;
  return options;
}

struct Golden {
  const char* name;
  CollectionOptions options;
  bool is_on_disk = false;  // its graph: alone, from format 3 on
};

const Golden kCollections[] = {
    {"default", {.dim = kDim, .type = ScalarType::kF32, .metric = Metric::kL2}},
    {"halves", {.dim = kDim, .type = ScalarType::kF16, .metric = Metric::kInnerProduct}},
    {"bytes",
     {.dim = kDim, .type = ScalarType::kU8, .metric = Metric::kL2, .key_type = KeyType::kString},
     true},
    {"signed", {.dim = kDim, .type = ScalarType::kI8, .metric = Metric::kCosine}, true},
};

std::vector<std::byte> row_of(ScalarType type, uint64_t key) {
  std::vector<std::byte> row;
  for (size_t i = 0; i < kDim; ++i) {
    const uint32_t value = static_cast<uint32_t>(key * 3 + i * 5 + 1) % 100;
    const float wide = static_cast<float>(value);
    const uint16_t half = static_cast<uint16_t>(0x3c00 + value);  // 1 and a little
    const uint8_t narrow = static_cast<uint8_t>(value);
    const void* from = type == ScalarType::kF32   ? static_cast<const void*>(&wide)
                       : type == ScalarType::kF16 ? static_cast<const void*>(&half)
                                                  : &narrow;
    const size_t at = row.size();
    row.resize(at + scalar_bytes(type));
    std::memcpy(row.data() + at, from, scalar_bytes(type));
  }
  return row;
}

std::string payload_of(uint64_t key) {
  return key % 2 == 0 ? "{\"number\":" + std::to_string(key) + "}" : "";
}

Key key_of(KeyType type, uint64_t key) {
  return type == KeyType::kU64 ? Key(key) : Key("key " + std::to_string(key));
}

// Takes some points out of the graph and puts them in again, in place (from format 4 on).
void change_graph(Collection& collection, const Golden& golden) {
  for (uint64_t first = 10; first < 30; first += 2) {
    const bool has_numbers = golden.options.key_type == KeyType::kU64;
    const std::vector<uint64_t> numbers = {first, first + 1};
    const std::vector<std::string> words = {"key " + std::to_string(first),
                                            "key " + std::to_string(first + 1)};
    const KeysView keys = has_numbers ? KeysView(numbers) : KeysView(words);
    const std::vector<std::string> payloads = {payload_of(first), payload_of(first + 1)};
    auto rows = row_of(golden.options.type, first);
    const auto second = row_of(golden.options.type, first + 1);
    rows.insert(rows.end(), second.begin(), second.end());
    ASSERT_EQ(*collection.erase(keys), 2u);
    ASSERT_TRUE(collection.build_index({.serving_memory_bytes = 1}));
    ASSERT_TRUE(collection.upsert(keys, MatrixView(golden.options.type, rows.data(), 2, kDim),
                                  {.payloads = payloads}));
    ASSERT_TRUE(collection.build_index({.serving_memory_bytes = 1}));
  }
  EXPECT_EQ(collection.info()->index.updates.added, 20u);
  EXPECT_EQ(collection.info()->index.updates.removed, 20u);
}

bool has_codes_log(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().filename().string().find(".codes.log") != std::string::npos) return true;
  }
  return false;
}

void make(const std::string& path) {
  auto database =
      Database::open(path, golden_options({.create_if_missing = true, .error_if_exists = true}));
  ASSERT_TRUE(database.is_ok()) << database.status().to_string();
  for (const Golden& golden : kCollections) {
    auto collection = database->create_collection(golden.name, golden.options);
    ASSERT_TRUE(collection.is_ok());
    std::vector<uint64_t> numbers;
    std::vector<std::string> words, payloads;
    std::vector<std::byte> rows;
    for (uint64_t key = 0; key < kPoints; ++key) {
      numbers.push_back(key);
      words.push_back("key " + std::to_string(key));
      payloads.push_back(payload_of(key));
      const auto row = row_of(golden.options.type, key);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    const bool has_numbers = golden.options.key_type == KeyType::kU64;
    ASSERT_TRUE(collection->upsert(has_numbers ? KeysView(numbers) : KeysView(words),
                                   MatrixView(golden.options.type, rows.data(), kPoints, kDim),
                                   {.payloads = payloads}));
    const std::vector<uint64_t> number = {kErased};
    const std::vector<std::string> word = {"key " + std::to_string(kErased)};
    ASSERT_TRUE(collection->erase(has_numbers ? KeysView(number) : KeysView(word)).is_ok());
    ASSERT_TRUE(collection->build_index({.serving_memory_bytes = golden.is_on_disk ? 1u : 0u}));
    if (golden.is_on_disk) change_graph(*collection, golden);
  }
  ASSERT_TRUE(database->close());
}

std::string regime_of(const Golden& golden, uint32_t format) {
  if (format == 1) return "exact";
  if (!golden.is_on_disk || format == 2) return "resident";
  return format == 3 ? "exact" : "disk";  // disk forms of format 3 are built anew
}

// As the program of that format left it, or after all graphs were built anew.
void expect_golden(Database& database, std::optional<uint32_t> format) {
  for (const Golden& golden : kCollections) {
    SCOPED_TRACE(golden.name);
    auto collection = database.collection(golden.name);
    ASSERT_TRUE(collection.is_ok()) << collection.status().to_string();
    EXPECT_EQ(collection->options().metric, golden.options.metric);
    ASSERT_EQ(collection->size(), kPoints - 1);
    for (uint64_t key = 0; key < kPoints; ++key) {
      const auto point = collection->get(key_of(golden.options.key_type, key));
      if (key == kErased) {
        EXPECT_EQ(point.status().code(), StatusCode::kNotFound);
        continue;
      }
      ASSERT_TRUE(point.is_ok()) << point.status().to_string();
      EXPECT_EQ(point->vector.bytes, row_of(golden.options.type, key));
      EXPECT_EQ(point->payload.value_or(""), payload_of(key));
    }
    const auto row = row_of(golden.options.type, 7);
    const auto found = collection->search(VectorView(golden.options.type, row.data(), kDim));
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    EXPECT_EQ(found->size(), 10u);
    const auto exact =
        collection->search(VectorView(golden.options.type, row.data(), kDim), {.exact = true});
    ASSERT_TRUE(exact.is_ok()) << exact.status().to_string();
    EXPECT_NEAR(found->front().distance, exact->front().distance, 1e-4);
    const auto info = collection->info();
    ASSERT_TRUE(info.is_ok());
    EXPECT_EQ(info->regime, format.has_value() ? regime_of(golden, *format) : "resident")
        << info->index_error;
  }
  const auto report = database.verify();
  ASSERT_TRUE(report.is_ok());
  EXPECT_TRUE(report->problems.empty()) << report->problems.front();
}

TEST(Golden, FoldersOfEveryFormatOpenAndCanBeWritten) {
  const std::filesystem::path folder = std::string(ROX_SOURCE_DIR) + "/tests/golden";
  size_t folders = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    testing_support::TemporaryDirectory directory;
    std::filesystem::copy(entry.path(), directory.database(),
                          std::filesystem::copy_options::recursive);
    const std::string name = entry.path().filename();
    const auto format = static_cast<uint32_t>(std::stoul(name.substr(name.find('-') + 1)));
    EXPECT_EQ(has_codes_log(directory.database()), format >= 4) << "a graph that was changed";
    for (const bool read_only : {true, false, false}) {
      auto database =
          Database::open(directory.database(), golden_options({.read_only = read_only}));
      ASSERT_TRUE(database.is_ok()) << database.status().to_string();
      EXPECT_EQ(database->info()->format_version, format) << "not before it has to";
      expect_golden(*database, format);
      if (!read_only) {
        const auto row = row_of(ScalarType::kF32, 999);
        auto collection = database->collection();
        ASSERT_TRUE(collection->upsert(std::vector<uint64_t>{999},
                                       MatrixView(ScalarType::kF32, row.data(), 1, kDim)));
        ASSERT_EQ(*collection->erase(std::vector<uint64_t>{999}), 1u);
      }
      ASSERT_TRUE(database->close());
    }
    // A graph makes a folder one of today's format. What has not changed would not be built anew.
    auto database = Database::open(directory.database(), golden_options());
    ASSERT_TRUE(database.is_ok()) << database.status().to_string();
    for (const Golden& golden : kCollections) {
      auto collection = database->collection(golden.name);
      const std::vector<uint64_t> number = {999};
      const std::vector<std::string> word = {"key 999"};
      const bool has_numbers = golden.options.key_type == KeyType::kU64;
      const KeysView key = has_numbers ? KeysView(number) : KeysView(word);
      const auto row = row_of(golden.options.type, 999);
      ASSERT_TRUE(collection->upsert(key, MatrixView(golden.options.type, row.data(), 1, kDim)));
      ASSERT_TRUE(collection->build_index({.rebuild = true}));
      ASSERT_EQ(*collection->erase(key), 1u);
    }
    expect_golden(*database, std::nullopt);
    ASSERT_TRUE(database->close());
    database = Database::open(directory.database(), golden_options({.read_only = true}));
    ASSERT_TRUE(database.is_ok()) << database.status().to_string();
    EXPECT_EQ(database->info()->format_version, 5u);
    expect_golden(*database, std::nullopt);
    ++folders;
  }
  EXPECT_GE(folders, 4u);
}

}  // namespace
}  // namespace roxanne

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--make") == 0) {
    roxanne::make(argv[2]);
    return testing::Test::HasFailure() ? 1 : 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
