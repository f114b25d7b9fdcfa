// A resident index end to end: recall and cost, files, damage, cancelling, deletions.
#include "index/resident_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <set>

#include "base/f16.h"
#include "index/graph_file.h"
#include "storage/simulated_file_system.h"
#include "storage/test_directory.h"

namespace roxanne::index {
namespace {

struct Rows {
  ScalarType type;
  size_t rows, dim;
  std::vector<std::byte> bytes;
  MatrixView view() const { return {type, bytes.data(), rows, dim}; }
  VectorView row(size_t i) const { return {type, view().row(i), dim}; }
};

// Clustered, of any type; norms differ, so that the metrics differ.
Rows make_rows(ScalarType type, size_t rows, size_t dim, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> values;
  std::mt19937 centre_random(77);  // queries come from the same clusters
  std::vector<float> centres(40 * dim);
  for (float& value : centres) value = values(centre_random) * 20;
  values.reset();
  Rows result{type, rows, dim, std::vector<std::byte>(rows * dim * scalar_bytes(type))};
  for (size_t i = 0; i < rows; ++i) {
    const size_t centre = random() % 40;
    for (size_t d = 0; d < dim; ++d) {
      const float value = centres[centre * dim + d] + values(random) * 12;
      std::byte* out = result.bytes.data() + (i * dim + d) * scalar_bytes(type);
      if (type == ScalarType::kF32) std::memcpy(out, &value, 4);
      const uint16_t half = base::f32_to_f16(value);
      if (type == ScalarType::kF16) std::memcpy(out, &half, 2);
      const auto clamped = static_cast<int>(std::clamp(value, -120.0f, 120.0f));
      if (type == ScalarType::kU8) *out = static_cast<std::byte>(clamped + 128);
      if (type == ScalarType::kI8) *out = static_cast<std::byte>(static_cast<int8_t>(clamped));
    }
  }
  return result;
}

class ResidentIndexTest : public testing::Test {
 protected:
  // Slots are three apart, tags their negation: nothing may rely on slots being nodes.
  Result<std::unique_ptr<ResidentIndex>> build(const Rows& rows, Metric metric,
                                               const BuildOptions& options = {}) {
    slots_.resize(rows.rows);
    tags_.resize(rows.rows);
    for (size_t i = 0; i < rows.rows; ++i) {
      slots_[i] = static_cast<uint32_t>(3 * i + 1);
      tags_[i] = ~uint64_t{slots_[i]};
    }
    BuildOptions complete = options;
    if (complete.scratch_prefix.empty()) complete.scratch_prefix = directory_.path() + "/scratch-";
    base::ThreadPool pool(complete.thread_count - 1);
    return build_resident_index(storage::posix_file_system(), path(),
                                {rows.view(), slots_, tags_, metric}, pool, complete);
  }
  std::string path() const { return directory_.path() + "/graph.dat"; }
  Result<std::unique_ptr<ResidentIndex>> load(const Rows& rows, Metric metric) {
    return ResidentIndex::load(storage::posix_file_system(), path(),
                               {.dim = rows.dim, .type = rows.type, .metric = metric});
  }
  std::vector<ScanNeighbor> exact(const Rows& rows, Metric metric, VectorView query, size_t k,
                                  const LiveSet& live) const {
    ExactScan scan(query, metric, k, 1);
    for (size_t i = 0; i < rows.rows; ++i) {
      if (!live.contains(slots_[i])) continue;
      scan.scan(0, {.rows = rows.view().row(i), .row_count = 1, .first_id = slots_[i]});
    }
    return scan.finish().front();
  }
  struct Measured {
    double recall = 0;
    GraphSearchStats stats;
  };
  Measured measure(const ResidentIndex& index, const Rows& rows, Metric metric, const Rows& queries,
                   const GraphSearchOptions& options, const LiveSet& live) const {
    Measured measured;
    for (size_t q = 0; q < queries.rows; ++q) {
      std::vector<ScanNeighbor> found;
      index.search(queries.row(q), live, options, found, measured.stats);
      const auto truth = exact(rows, metric, queries.row(q), options.k, live);
      EXPECT_EQ(found.size(), truth.size());
      size_t hits = 0;
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_TRUE(live.contains(static_cast<uint32_t>(found[i].id)));
        EXPECT_EQ(found[i].tag, ~found[i].id);
        EXPECT_TRUE(i == 0 || found[i - 1].distance <= found[i].distance);
        hits += found[i].distance <= truth.back().distance ? 1 : 0;
      }
      measured.recall +=
          static_cast<double>(hits) / static_cast<double>(truth.size() * queries.rows);
    }
    return measured;
  }

  storage::TestDirectory directory_;
  std::vector<uint32_t> slots_;
  std::vector<uint64_t> tags_;
};

TEST_F(ResidentIndexTest, EveryTypeAndMetricIsFoundAndOpensAgain) {
  for (const ScalarType type :
       {ScalarType::kF32, ScalarType::kF16, ScalarType::kU8, ScalarType::kI8}) {
    for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
      const Rows rows = make_rows(type, 3000, 40, 1);
      const Rows queries = make_rows(type, 50, 40, 2);
      const auto built = build(rows, metric);
      ASSERT_TRUE(built.is_ok()) << built.status().to_string();
      const LiveSet live = set_of_slots(slots_);
      const std::string name =
          std::string(scalar_type_name(type)) + " " + std::string(metric_name(metric));
      const auto all =
          measure(**built, rows, metric, queries, {.k = 10, .search_list_size = 80}, live);
      EXPECT_GE(all.recall, 0.99) << name;
      EXPECT_GE(measure(**built, rows, metric, queries, {.k = 10}, live).recall, 0.93) << name;
      const auto opened = load(rows, metric);
      ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
      const auto again =
          measure(**opened, rows, metric, queries, {.k = 10, .search_list_size = 80}, live);
      EXPECT_EQ(again.recall, all.recall);
      EXPECT_EQ(again.stats.hops, all.stats.hops);
      EXPECT_EQ((*opened)->default_search_list_size(), (*built)->default_search_list_size());
      EXPECT_TRUE(std::ranges::equal((*opened)->slots(), slots_));
      size_t problems = 0;
      (*opened)->verify([&](uint32_t slot) { return rows.view().row((slot - 1) / 3); },
                        [&](const Status& status) {
                          ADD_FAILURE() << status.to_string();
                          return ++problems < 5;
                        });
    }
  }
}

TEST_F(ResidentIndexTest, FileIsTheSameOnAnyNumberOfThreads) {
  const Rows rows = make_rows(ScalarType::kU8, 9000, 32, 3);
  std::string files[2];
  for (const size_t threads : {1u, 2u}) {
    ASSERT_TRUE(build(rows, Metric::kL2, {.thread_count = threads}).is_ok());
    std::ifstream file(path(), std::ios::binary);
    files[threads - 1].assign(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_GT(files[0].size(), 9000u * 32);
  EXPECT_TRUE(files[0] == files[1]);
  // Nor does memory change it: with little, edges go to a file.
  BuildOptions short_of_memory;
  short_of_memory.memory_bytes = build_bytes_least({.dim = 32, .type = ScalarType::kU8}, rows.rows);
  ASSERT_TRUE(build(rows, Metric::kL2, short_of_memory).is_ok());
  std::ifstream file(path(), std::ios::binary);
  EXPECT_TRUE(files[0] == std::string(std::istreambuf_iterator<char>(file), {}));
}

TEST_F(ResidentIndexTest, WithoutAFileItIsTheSameInMemory) {
  const Rows rows = make_rows(ScalarType::kU8, 2000, 32, 1);
  const Rows queries = make_rows(ScalarType::kU8, 50, 32, 2);
  const auto measure_list = [&](const ResidentIndex& index) {
    return measure(index, rows, Metric::kL2, queries, {.k = 10, .search_list_size = 40},
                   set_of_slots(slots_));
  };
  const auto written = build(rows, Metric::kL2);
  ASSERT_TRUE(written.is_ok()) << written.status().to_string();
  EXPECT_EQ((*written)->bytes_on_disk(), std::filesystem::file_size(path()));
  std::filesystem::remove(path());
  const auto index = build(rows, Metric::kL2, {.keeps_file = [] { return false; }});
  ASSERT_TRUE(index.is_ok()) << index.status().to_string();
  EXPECT_EQ((*index)->bytes_on_disk(), 0u);
  EXPECT_FALSE(std::filesystem::exists(path()));
  const Measured with_file = measure_list(**written);
  const Measured without = measure_list(**index);
  EXPECT_EQ(without.recall, with_file.recall);
  EXPECT_EQ(without.stats.hops, with_file.stats.hops);
  EXPECT_EQ((*index)->default_search_list_size(), (*written)->default_search_list_size());
}

TEST_F(ResidentIndexTest, WideVectorsAreCodedInASubspace) {
  const Rows rows = make_rows(ScalarType::kF32, 2000, 300, 4);
  const Rows queries = make_rows(ScalarType::kF32, 40, 300, 5);
  const auto built = build(rows, Metric::kCosine);
  ASSERT_TRUE(built.is_ok()) << built.status().to_string();
  const auto measured = measure(**built, rows, Metric::kCosine, queries,
                                {.k = 10, .search_list_size = 100}, set_of_slots(slots_));
  EXPECT_GE(measured.recall, 0.98);
}

TEST_F(ResidentIndexTest, DeadNodesNeverTakeALivePlace) {
  const Rows rows = make_rows(ScalarType::kU8, 3000, 24, 6);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  const Rows queries = make_rows(ScalarType::kU8, 20, 24, 7);
  std::vector<uint32_t> few;
  for (size_t i = 0; i < slots_.size(); i += 40) few.push_back(slots_[i]);  // 2.5 % live
  const auto measured = measure(**built, rows, Metric::kL2, queries,
                                {.k = 20, .search_list_size = 20}, set_of_slots(few));
  EXPECT_GE(measured.recall, 0.9);
  std::vector<ScanNeighbor> found;
  GraphSearchStats stats;
  (*built)->search(queries.row(0), set_of_slots({}), {.k = 5}, found, stats);
  EXPECT_TRUE(found.empty());
  (*built)->search(queries.row(0), set_of_slots(std::span(few).first(3)), {.k = 5}, found, stats);
  EXPECT_EQ(found.size(), 3u);
}

TEST_F(ResidentIndexTest, CopiesZerosAndFarClustersAreFound) {
  Rows rows = make_rows(ScalarType::kF32, 3000, 16, 8);
  auto* values = reinterpret_cast<float*>(rows.bytes.data());
  for (size_t i = 1000; i < 2000; ++i) std::memcpy(values + i * 16, values, 64);  // 1,001 copies
  for (size_t i = 2000 * 16; i < 3000 * 16; ++i) values[i] += 1e6f;               // far away
  auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  const LiveSet live = set_of_slots(slots_);
  for (const size_t i : {0u, 5u, 500u, 1500u, 2100u, 2999u}) {
    const auto truth = exact(rows, Metric::kL2, rows.row(i), 10, live);
    std::vector<ScanNeighbor> found;
    GraphSearchStats stats;
    (*built)->search(rows.row(i), live, {.k = 10, .search_list_size = 100}, found, stats);
    ASSERT_EQ(found.size(), 10u);
    for (size_t j = 0; j < 10; ++j) EXPECT_EQ(found[j].distance, truth[j].distance) << i;
  }
  std::fill(rows.bytes.begin(), rows.bytes.end(), std::byte{0});
  built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  std::vector<ScanNeighbor> found;
  GraphSearchStats stats;
  (*built)->search(rows.row(0), live, {.k = 100}, found, stats);
  EXPECT_EQ(found.size(), 100u);
  (*built)->verify({}, [](const Status& status) {
    ADD_FAILURE() << status.to_string();
    return false;
  });
}

// Clusters so large that no edge leads from one to another, yet so near that codes order nodes:
// what a walk from the nearest entries cannot reach is reached from the others while the list has
// room.
TEST_F(ResidentIndexTest, AListAsLongAsTheGraphSeesEveryNode) {
  constexpr size_t kDim = 16;
  for (const size_t clusters : {2u, 3u}) {
    const auto spread = [&](Rows rows) {
      auto* values = reinterpret_cast<float*>(rows.bytes.data());
      for (size_t i = 0; i < rows.rows; ++i) values[i * kDim + i % clusters] += 400;
      return rows;
    };
    const Rows rows = spread(make_rows(ScalarType::kF32, clusters * 6000, kDim, 14));
    const auto built = build(rows, Metric::kL2);
    ASSERT_TRUE(built.is_ok()) << built.status().to_string();
    const LiveSet live = set_of_slots(slots_);
    for (size_t i = 0; i < clusters; ++i) {
      GraphSearchStats stats;
      std::vector<ScanNeighbor> found;
      const GraphSearchOptions all = {.k = rows.rows, .search_list_size = rows.rows};
      (*built)->search(rows.row(i), live, all, found, stats);
      EXPECT_EQ(found.size(), rows.rows) << clusters << " clusters, query " << i;
      EXPECT_EQ(stats.hops, rows.rows);
    }
    // The nearest in a cluster of which no point is among the nearest entries.
    std::vector<uint32_t> others;
    for (size_t i = 1; i < rows.rows; i += clusters) others.push_back(slots_[i]);
    const Rows queries = spread(make_rows(ScalarType::kF32, 1, kDim, 15));
    const auto measured =
        measure(**built, rows, Metric::kL2, queries, {.k = 100}, set_of_slots(others));
    EXPECT_EQ(measured.recall, 1.0) << clusters;
  }
}

TEST_F(ResidentIndexTest, TinySetsWork) {
  for (const size_t count : {1u, 2u, 31u, 33u}) {
    const Rows rows = make_rows(ScalarType::kF16, count, 5, 9);
    const auto built = build(rows, Metric::kL2);
    ASSERT_TRUE(built.is_ok()) << built.status().to_string();
    std::vector<ScanNeighbor> found;
    GraphSearchStats stats;
    (*built)->search(rows.row(0), set_of_slots(slots_), {.k = 40}, found, stats);
    EXPECT_EQ(found.size(), count);
    EXPECT_EQ(found[0].id, slots_[0]);
  }
}

TEST_F(ResidentIndexTest, AnyDamageIsAnErrorThatNamesTheFile) {
  const Rows rows = make_rows(ScalarType::kU8, 300, 16, 10);
  ASSERT_TRUE(build(rows, Metric::kL2).is_ok());
  std::ifstream in(path(), std::ios::binary);
  const std::string good(std::istreambuf_iterator<char>(in), {});
  const auto write = [&](const std::string& bytes) {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
  };
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    // The header's bytes as often as all the others.
    const size_t at = random() % (round % 2 == 0 ? 128 : bad.size());
    bad[at] = static_cast<char>(bad[at] ^ (1 << (random() % 8)));
    write(bad);
    const auto opened = load(rows, Metric::kL2);
    if (opened.is_ok()) {
      // Bytes between the sections belong to nobody.
      continue;
    }
    EXPECT_NE(opened.status().message().find("graph.dat"), std::string::npos);
  }
  for (const size_t size : {0u, 100u, 4096u, 20000u}) {
    write(good.substr(0, size));
    EXPECT_EQ(load(rows, Metric::kL2).status().code(), StatusCode::kCorruption) << size;
  }
  write(good + "x");
  EXPECT_EQ(load(rows, Metric::kL2).status().code(), StatusCode::kCorruption);
  write(good);
  EXPECT_TRUE(load(rows, Metric::kL2).is_ok());
  EXPECT_EQ(load(rows, Metric::kCosine).status().code(), StatusCode::kCorruption);
}

TEST_F(ResidentIndexTest, CancelledOrStarvedBuildsLeaveNothing) {
  const Rows rows = make_rows(ScalarType::kU8, 3000, 16, 11);
  for (const double stop_at : {0.0, 0.5, 0.85, 0.96}) {
    double last = 0;
    BuildOptions options;
    options.progress = [&](const BuildProgress& progress) {
      EXPECT_GE(progress.fraction, last);
      last = progress.fraction;
      return progress.fraction < stop_at;
    };
    EXPECT_EQ(build(rows, Metric::kL2, options).status().code(), StatusCode::kCancelled);
    EXPECT_FALSE(std::ifstream(path()).good());
  }
  const auto starved = build(rows, Metric::kL2, {.memory_bytes = 1000});
  EXPECT_EQ(starved.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(starved.status().message().find("bytes of memory"), std::string::npos);
}

// What a search costs is known: a change has to be explained. Codes are made with floats, whose
// last digits differ between instruction sets, hence the tolerance of a hundredth.
TEST_F(ResidentIndexTest, CostOfSearchesIsKnown) {
  const Rows rows = make_rows(ScalarType::kU8, 10000, 64, 12);
  const Rows queries = make_rows(ScalarType::kU8, 200, 64, 13);
  const auto built = build(rows, Metric::kL2);
  ASSERT_TRUE(built.is_ok());
  const auto measured = measure(**built, rows, Metric::kL2, queries,
                                {.k = 10, .search_list_size = 20}, set_of_slots(slots_));
  EXPECT_NEAR(measured.recall, 0.8275, 0.01);
  EXPECT_NEAR(static_cast<double>(measured.stats.hops) / 200, 20.89, 0.3);
  EXPECT_NEAR(static_cast<double>(measured.stats.distance_computations) / 200, 1201.4, 15);
}

}  // namespace
}  // namespace roxanne::index
