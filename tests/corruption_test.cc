// Damaged files: an error that names the place, or right answers. Never a crash, never a silently
// wrong answer. Invariant D7 of docs/durability.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "roxanne/roxanne.h"
#include "storage/simulated_file_system.h"
#include "storage/test_fault_places.h"

namespace roxanne {
namespace {

using storage::OpenMode;
using storage::SimulatedFileSystem;

constexpr const char* kPath = "/db.rox";
constexpr size_t kDim = 64;
constexpr size_t kRows = 700;

std::vector<uint8_t> all_rows() {
  std::mt19937 random(3);
  std::vector<uint8_t> rows(kRows * kDim);
  for (uint8_t& value : rows) value = static_cast<uint8_t>(random());
  return rows;
}

// Two collections, payloads, replaced and erased points; closed cleanly.
void make_database(SimulatedFileSystem& file_system) {
  auto database = Database::open(kPath, {.create_if_missing = true, .file_system = &file_system});
  ASSERT_TRUE(database.is_ok()) << database.status().to_string();
  const auto rows = all_rows();
  std::vector<uint64_t> numbers;
  std::vector<std::string> words, payloads;
  for (uint64_t i = 0; i < kRows; ++i) {
    numbers.push_back(i * 3);
    words.push_back("word " + std::to_string(i));
    payloads.push_back(i % 2 == 0 ? "{\"i\":" + std::to_string(i) + "}" : "");
  }
  auto a = database->create_collection("numbers", {.dim = kDim, .type = ScalarType::kU8});
  auto b = database->create_collection(
      "words", {.dim = kDim, .type = ScalarType::kU8, .key_type = KeyType::kString});
  ASSERT_TRUE(a.is_ok() && b.is_ok());
  ASSERT_TRUE(a->upsert(numbers, MatrixView::u8(rows.data(), kRows, kDim)));
  ASSERT_TRUE(a->upsert(numbers, MatrixView::u8(rows.data(), kRows, kDim), {.payloads = payloads}));
  ASSERT_TRUE(b->upsert(words, MatrixView::u8(rows.data(), kRows, kDim), {.payloads = payloads}));
  ASSERT_TRUE(a->erase(std::vector<uint64_t>{0, 3, 6}).is_ok());
  ASSERT_TRUE(database->close());
}

// Everything a user can see, as text; or why it cannot be seen.
Result<std::string> look_at_all(SimulatedFileSystem& file_system, bool read_only) {
  auto database = Database::open(kPath, {.read_only = read_only,
                                         .memory_limit_bytes = 64u << 20,
                                         .thread_count = 1,
                                         .file_system = &file_system});
  if (!database.is_ok()) return database.status();
  const auto rows = all_rows();
  std::string text;
  for (const std::string& name : database->collection_names()) {
    auto collection = database->collection(name);
    if (!collection.is_ok()) return collection.status();
    text += name + " " + std::to_string(collection->size()) + "\n";
    std::map<Key, std::string> points;
    auto scan = collection->scan();
    if (!scan.is_ok()) return scan.status();
    while (true) {
      auto batch = scan->next(100);
      if (!batch.is_ok()) return batch.status();
      if (batch->empty()) break;
      for (const Point& point : *batch) {
        points[point.key] =
            std::string(reinterpret_cast<const char*>(point.vector.bytes.data()), kDim) +
            point.payload.value_or("-");
      }
    }
    for (const auto& [key, value] : points) {
      text += key.to_string() + value + "\n";
      const auto point = collection->get(key);
      if (!point.is_ok()) return point.status();
    }
    for (size_t q = 0; q < 3; ++q) {
      const auto found = collection->search(VectorView::u8({rows.data() + q * 100 * kDim, kDim}),
                                            {.k = 20, .with_payload = true});
      if (!found.is_ok()) return found.status();
      for (const Neighbor& neighbor : *found) {
        text += neighbor.key.to_string() + " " + std::to_string(neighbor.distance) + " " +
                neighbor.payload.value_or("-") + "\n";
      }
    }
  }
  return text;
}

size_t problems_found(SimulatedFileSystem& file_system) {
  auto database = Database::open(kPath, {.read_only = true, .file_system = &file_system});
  if (!database.is_ok()) return 1;
  const auto report = database->verify();
  return report.is_ok() ? report->problems.size() : 1;
}

class CorruptionTest : public testing::Test {
 protected:
  void SetUp() override {
    make_database(original_);
    if (HasFatalFailure()) return;
    const auto seen = look_at_all(*original_.clone(), true);
    ASSERT_TRUE(seen.is_ok()) << seen.status().to_string();
    expected_ = *seen;
    for (const auto& file : original_.files()) {
      if (file.size > 0) files_.push_back(file);
    }
    ASSERT_GT(files_.size(), 6u);
    ASSERT_EQ(problems_found(original_), 0u);
  }

  // `damaged` shows an error or the right answers, whichever way it is opened.
  void expect_no_wrong_answer(SimulatedFileSystem& damaged, const std::string& what) {
    for (const bool read_only : {true, false}) {
      const auto seen = look_at_all(*damaged.clone(), read_only);
      if (seen.is_ok()) {
        ASSERT_EQ(*seen, expected_) << what << " changed the answers silently";
      } else {
        ASSERT_FALSE(seen.status().message().empty());
        ++errors_;
        // What a reader stumbles over, verify reports.
        if (read_only) {
          ASSERT_GT(problems_found(*damaged.clone()), 0u) << what;
        }
      }
    }
  }

  SimulatedFileSystem original_;
  std::string expected_;
  std::vector<SimulatedFileSystem::FileInfo> files_;
  size_t errors_ = 0;
};

TEST_F(CorruptionTest, FlippedBytesAreNamedOrHarmless) {
  std::mt19937_64 random(17);
  const size_t flips = storage::random_places(600);
  for (size_t i = 0; i < flips; ++i) {
    const auto& file = files_[random() % files_.size()];
    // Half of the flips near the front, where headers are.
    const uint64_t offset =
        random() % (i % 2 == 0 ? file.size : std::min<uint64_t>(file.size, 256));
    const auto mask = std::byte(1u << (random() % 8));
    const auto damaged = original_.clone();
    ASSERT_TRUE(damaged->flip_byte(file.path, offset, mask));
    expect_no_wrong_answer(*damaged, file.path + " at " + std::to_string(offset));
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(errors_, flips / 10) << "most flips in files that matter must be noticed";
  std::printf("%zu flips, %zu errors, 0 wrong answers\n", flips, errors_);
}

TEST_F(CorruptionTest, TruncatedFilesAreNamedOrHarmless) {
  std::mt19937_64 random(19);
  for (size_t i = 0; i < storage::random_places(150); ++i) {
    const auto& file = files_[i % files_.size()];
    const uint64_t size = i < files_.size() ? 0 : random() % file.size;
    const auto damaged = original_.clone();
    {
      auto opened = damaged->open(file.path, OpenMode::kReadWrite);
      ASSERT_TRUE(opened.is_ok());
      ASSERT_TRUE((*opened)->truncate(size));
    }
    expect_no_wrong_answer(*damaged, file.path + " cut to " + std::to_string(size));
    if (HasFatalFailure()) return;
  }
}

TEST_F(CorruptionTest, MissingFilesAreNamedOrHarmless) {
  for (const auto& file : files_) {
    const auto damaged = original_.clone();
    ASSERT_TRUE(damaged->remove(file.path));
    expect_no_wrong_answer(*damaged, file.path + " removed");
    if (HasFatalFailure()) return;
  }
}

TEST_F(CorruptionTest, EveryByteOfALiveRowIsGuarded) {
  std::mt19937_64 random(23);
  const std::string vectors = std::string(kPath) + "/collections/000001/vectors.dat";
  size_t noticed = 0;
  for (size_t i = 0; i < 100; ++i) {
    const auto damaged = original_.clone();
    // Rows of the first block: 64-byte rows, 2048 a block, 16 bytes of fields each.
    const uint64_t slot = kRows + random() % kRows;  // the replaced points live in the second half
    const uint64_t offset = 4096 + 2048 * 16 + slot * kDim + random() % kDim;
    ASSERT_TRUE(damaged->flip_byte(vectors, offset, std::byte{4}));
    noticed += problems_found(*damaged) > 0 ? 1 : 0;
  }
  EXPECT_GE(noticed, 98u) << "all but the erased points' rows";
}

// ---- A damaged graph: derived data. The collection is there, and every answer is true. ----

DatabaseOptions graph_options(SimulatedFileSystem& file_system, bool read_only = false) {
  return {.create_if_missing = !read_only,
          .read_only = read_only,
          .memory_limit_bytes = 256u << 20,  // for both forms
          .thread_count = 1,
          .automatic_index = false,
          .index_points_min = 100,
          .file_system = &file_system};
}

// Which form serves: a graph in both forms, or on disk alone, as it was built or changed in place.
class DamagedGraphTest : public testing::TestWithParam<const char*> {
 protected:
  bool is_on_disk() const { return GetParam() != std::string("resident"); }
  bool is_changed() const { return GetParam() == std::string("changed"); }
  const char* regime() const { return is_on_disk() ? "disk" : "resident"; }
  bool serves(const CollectionInfo& info) const { return info.regime == regime(); }

  void SetUp() override {
    auto database = Database::open(kPath, graph_options(original_));
    ASSERT_TRUE(database.is_ok()) << database.status().to_string();
    auto collection =
        database->create_collection("default", {.dim = kDim, .type = ScalarType::kU8});
    ASSERT_TRUE(collection.is_ok());
    std::vector<uint64_t> keys;
    for (uint64_t key = 0; key < kRows; ++key) keys.push_back(key);
    ASSERT_TRUE(collection->upsert(keys, MatrixView::u8(rows_.data(), kRows, kDim)));
    ASSERT_TRUE(collection->build_index({.serving_memory_bytes = is_on_disk() ? 1u : 0u}));
    EXPECT_EQ(collection->info()->regime, regime());
    for (uint64_t first = 100; is_changed() && first < 300; first += 20) {
      ASSERT_TRUE(
          collection->erase(std::vector<uint64_t>(keys.begin() + first, keys.begin() + first + 20))
              .is_ok());
      ASSERT_TRUE(collection->build_index({.serving_memory_bytes = 1}));
      ASSERT_TRUE(
          collection->upsert(std::vector<uint64_t>(keys.begin() + first, keys.begin() + first + 20),
                             MatrixView::u8(rows_.data() + first * kDim, 20, kDim)));
      ASSERT_TRUE(collection->build_index({.serving_memory_bytes = 1}));
    }
    // A tail and dead nodes.
    ASSERT_TRUE(collection->erase(std::vector<uint64_t>{1, 2, 3}).is_ok());
    ASSERT_TRUE(collection->upsert(std::vector<uint64_t>{5},
                                   MatrixView::u8(rows_.data() + 5 * kDim, 1, kDim)));
    ASSERT_TRUE(database->close());
    for (const auto& file : original_.files()) {
      if (file.path.find("graph-") == std::string::npos) continue;
      const bool is_resident_form = file.path.ends_with(".dat");
      (is_resident_form == is_on_disk() ? idle_ : serving_).push_back(file);
      ASSERT_GE(file.size, 4096u);
    }
    ASSERT_EQ(serving_.size(), is_changed() ? 3u : is_on_disk() ? 2u : 1u);
    ASSERT_EQ(idle_.size(), is_on_disk() ? 0u : 2u);
  }

  // Whether the graph serves, or what is said about it.
  void expect_true_answers(SimulatedFileSystem& damaged, const std::string& what) {
    for (const bool read_only : {true, false}) {
      SCOPED_TRACE(what + (read_only ? ", read-only" : ""));
      const auto copy = damaged.clone();
      auto database = Database::open(kPath, graph_options(*copy, read_only));
      ASSERT_TRUE(database.is_ok()) << database.status().to_string();
      auto collection = database->collection();
      ASSERT_TRUE(collection.is_ok()) << collection.status().to_string();
      bool is_told = false;  // by a search
      for (size_t q = 0; q < 4; ++q) is_told |= !answers_truly(*collection, q * 150);
      const auto info = collection->info();
      ASSERT_TRUE(info.is_ok());
      const auto report = database->verify();
      ASSERT_TRUE(report.is_ok()) << report.status().to_string();
      if (serves(*info) && !is_told && report->problems.empty()) {
        ++harmless_;
        continue;
      }
      ++told_;
      if (!serves(*info)) {
        EXPECT_NE(info->index_error.find("graph-"), std::string::npos) << info->index_error;
      }
      ASSERT_GT(report->problems.size(), 0u);
      EXPECT_NE(report->problems[0].find("graph-"), std::string::npos) << report->problems[0];
      if (!read_only && told_ % 20 == 2) expect_repair(*database, *collection);
    }
  }

  static void expect_repair(Database& database, Collection& collection) {
    const auto repaired = database.verify({.repair = true});
    ASSERT_TRUE(repaired.is_ok()) << repaired.status().to_string();
    EXPECT_EQ(repaired->repaired.size(), 1u);
    EXPECT_EQ(collection.info()->regime, "resident");
    const auto report = database.verify();
    ASSERT_TRUE(report.is_ok());
    EXPECT_TRUE(report->problems.empty()) << report->problems.front();
  }

  // False where the search fails: a page is read, and checked, when it is wanted.
  bool answers_truly(const Collection& collection, size_t row) {
    const auto found = collection.search(VectorView::u8({rows_.data() + row * kDim, kDim}));
    if (!found.is_ok()) {
      EXPECT_TRUE(is_on_disk()) << found.status().to_string();
      EXPECT_EQ(found.status().code(), StatusCode::kCorruption) << found.status().to_string();
      EXPECT_NE(found.status().message().find(".pages"), std::string::npos)
          << found.status().to_string();
      EXPECT_NE(found.status().message().find("page "), std::string::npos)
          << found.status().to_string();
      return false;
    }
    EXPECT_EQ(found->size(), 10u);
    for (const Neighbor& neighbor : *found) {
      const uint64_t key = neighbor.key.u64();
      if (key >= kRows || (key >= 1 && key <= 3)) {
        ADD_FAILURE() << "found key " << key;
        continue;
      }
      int32_t distance = 0;
      for (size_t i = 0; i < kDim; ++i) {
        const int32_t difference = int32_t{rows_[row * kDim + i]} - int32_t{rows_[key * kDim + i]};
        distance += difference * difference;
      }
      EXPECT_EQ(neighbor.distance, static_cast<float>(distance)) << "key " << key;
    }
    return true;
  }

  const std::vector<uint8_t> rows_ = all_rows();
  SimulatedFileSystem original_;
  std::vector<SimulatedFileSystem::FileInfo> serving_, idle_;  // files of the form, and of another
  size_t harmless_ = 0;
  size_t told_ = 0;
};

TEST_P(DamagedGraphTest, FlippedBytesAreToldOrHarmless) {
  std::mt19937_64 random(29);
  for (size_t i = 0; i < storage::random_places(90); ++i) {
    const auto& file = serving_[i % serving_.size()];
    const uint64_t offset = random() % (i % 3 == 0 ? 4096 : file.size);
    const auto damaged = original_.clone();
    ASSERT_TRUE(damaged->flip_byte(file.path, offset, std::byte(1u << (random() % 8))));
    expect_true_answers(*damaged, file.path + " byte " + std::to_string(offset));
    if (HasFailure()) return;
  }
  std::printf("%zu told, %zu harmless\n", told_, harmless_);
  EXPECT_GT(told_, harmless_);
}

// The form that does not serve: answers are as before, but the damage is found before it is needed.
TEST_P(DamagedGraphTest, FlippedBytesOfTheOtherFormAreFoundByVerify) {
  std::mt19937_64 random(37);
  for (size_t i = 0; i < storage::random_places(30) * idle_.size(); ++i) {
    const auto& file = idle_[i % idle_.size()];
    const uint64_t offset = random() % file.size;
    const auto damaged = original_.clone();
    ASSERT_TRUE(damaged->flip_byte(file.path, offset, std::byte(1u << (random() % 8))));
    expect_true_answers(*damaged, file.path + " byte " + std::to_string(offset));
    if (HasFailure()) return;
  }
  if (!idle_.empty()) {
    EXPECT_GT(told_, harmless_);
  }
}

TEST_P(DamagedGraphTest, CutAndMissingFilesAreTold) {
  std::mt19937_64 random(31);
  const size_t cuts = std::max<size_t>(4, storage::random_places(15));
  for (size_t i = 0; i < cuts * serving_.size(); ++i) {
    const auto& file = serving_[i / cuts];
    const uint64_t size = i % cuts == 0 ? 0 : i % cuts == 1 ? file.size - 1 : random() % file.size;
    const auto damaged = original_.clone();
    auto opened = damaged->open(file.path, OpenMode::kReadWrite);
    ASSERT_TRUE(opened.is_ok());
    ASSERT_TRUE((*opened)->truncate(size));
    expect_true_answers(*damaged, file.path + " cut to " + std::to_string(size));
    if (HasFailure()) return;
  }
  for (const auto& file : serving_) {
    const auto damaged = original_.clone();
    ASSERT_TRUE(damaged->remove(file.path));
    expect_true_answers(*damaged, file.path + " missing");
  }
  if (is_changed()) {  // space beyond the last page
    EXPECT_LT(harmless_, 10u);
  } else {
    EXPECT_EQ(harmless_, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, DamagedGraphTest, testing::Values("resident", "disk", "changed"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(CorruptionTest, ReadOnlyWritesNoByte) {
  const auto copy = original_.clone();
  const uint64_t before = copy->operation_count();
  ASSERT_TRUE(look_at_all(*copy, true).is_ok());
  ASSERT_EQ(problems_found(*copy), 0u);
  EXPECT_EQ(copy->operation_count(), before);
}

TEST_F(CorruptionTest, ADamagedCollectionDoesNotCloseTheOthers) {
  const auto damaged = original_.clone();
  ASSERT_TRUE(
      damaged->flip_byte(std::string(kPath) + "/collections/000001/vectors.dat", 3, std::byte{1}));
  auto database = Database::open(kPath, {.read_only = true, .file_system = damaged.get()});
  ASSERT_TRUE(database.is_ok()) << database.status().to_string();
  EXPECT_EQ(database->collection("numbers").status().code(), StatusCode::kCorruption);
  EXPECT_EQ(database->collection("words")->size(), kRows);
}

TEST_F(CorruptionTest, ANewerFormatIsRefusedByName) {
  const auto newer = original_.clone();
  {
    auto file = newer->open(std::string(kPath) + "/FORMAT", OpenMode::kCreate);
    const std::string text = "roxanne database, format 7\n";
    ASSERT_TRUE((*file)->write(0, std::as_bytes(std::span(text.data(), text.size()))));
  }
  const auto database = Database::open(kPath, {.read_only = true, .file_system = newer.get()});
  EXPECT_EQ(database.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(database.status().message().find("format 7"), std::string::npos);
}

}  // namespace
}  // namespace roxanne
