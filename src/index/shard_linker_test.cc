// Graphs that are linked shard by shard: as good as those that are linked at once.
#include "index/shard_linker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>

#include "base/status_macros.h"
#include "graph/build.h"
#include "index/test_cells.h"
#include "kernels/distance.h"
#include "kernels/widen.h"
#include "storage/simulated_file_system.h"

namespace roxanne::index {
namespace {

constexpr size_t kMaxDegree = 32;

LinkShape shape_of(const TestCells& cells) {
  return {cells.dim, kMaxDegree, cells.count(), cells.starts.size() - 1};
}

struct Linked {
  LinkReport report;
  std::vector<uint32_t> lists;
};

Result<Linked> link(const TestCells& cells, LinkOptions options,
                    storage::SimulatedFileSystem& files) {
  ROX_ASSIGN_OR_RETURN(const auto rows, cells.ordered(files, "rows"));
  ROX_ASSIGN_OR_RETURN(const auto edges,
                       EdgeFile::create(files, "edges", cells.count(), kMaxDegree));
  options.scratch_prefix = "scratch-";
  base::ThreadPool pool(options.thread_count - 1);
  Linked linked;
  ROX_ASSIGN_OR_RETURN(linked.report, link_shards(*rows, cells.view(), pool, options, *edges));
  EXPECT_EQ(files.files().size(), 2u);
  linked.lists.resize(cells.count() * kMaxDegree);
  ROX_RETURN_IF_ERROR(edges->read(0, linked.lists));
  return linked;
}

Linked link_well(const TestCells& cells, const LinkOptions& options) {
  storage::SimulatedFileSystem files;
  auto linked = link(cells, options, files);
  EXPECT_TRUE(linked.is_ok()) << linked.status().to_string();
  return linked.is_ok() ? std::move(linked).value() : Linked{};
}

void expect_sound(const TestCells& cells, const Linked& linked) {
  ASSERT_EQ(linked.lists.size(), cells.count() * kMaxDegree);
  for (size_t row = 0; row < cells.count(); ++row) {
    std::set<uint32_t> seen;
    bool is_ended = false;
    for (size_t i = 0; i < kMaxDegree; ++i) {
      const uint32_t target = linked.lists[row * kMaxDegree + i];
      ASSERT_TRUE(!is_ended || target == kNoEdge);
      is_ended = target == kNoEdge;
      if (is_ended) continue;
      ASSERT_LT(target, cells.count());
      ASSERT_NE(target, row);
      ASSERT_TRUE(seen.insert(target).second);
    }
    ASSERT_TRUE(!seen.empty() || cells.count() == 1) << row;
  }
}

class CellDistances {
 public:
  explicit CellDistances(const TestCells& cells) : cells_(cells) {}
  int32_t operator()(size_t a, size_t b) const {
    int32_t distance = 0;
    kernels::kernels().l2_u8(cells_.rows().row(a), cells_.rows().row(b), 1, cells_.dim, &distance);
    return distance;
  }

 private:
  const TestCells& cells_;
};

std::vector<uint32_t> two_nearest_cells(const TestCells& cells, size_t row) {
  std::vector<float> vector(cells.dim);
  kernels::widen_rows(cells.rows().slice(row, 1), vector.data());
  std::vector<float> distances(cells.starts.size() - 1);
  kernels::kernels().l2_f32(vector.data(), cells.centroids.data(), distances.size(), cells.dim,
                            distances.data());
  std::vector<uint32_t> order;
  for (uint32_t cell = 0; cell < distances.size(); ++cell) {
    if (cells.starts[cell] < cells.starts[cell + 1]) order.push_back(cell);
  }
  std::partial_sort(order.begin(), order.begin() + 2, order.end(),
                    [&](uint32_t a, uint32_t b) { return distances[a] < distances[b]; });
  return {order[0], order[1]};
}

// What a search along the edges finds of the ten nearest, with a pool of `pool_size`, from the
// first rows of the two nearest cells; averaged over some rows.
double recall(const TestCells& cells, const Linked& linked, size_t pool_size) {
  constexpr size_t kQueries = 300, kNearest = 10;
  const CellDistances distance(cells);
  size_t hits = 0;
  for (size_t q = 0; q < kQueries; ++q) {
    const size_t query = q * (cells.count() / kQueries);
    std::vector<int32_t> all(cells.count());
    kernels::kernels().l2_u8(cells.rows().row(query), cells.bytes.data(), cells.count(), cells.dim,
                             all.data());
    std::nth_element(all.begin(), all.begin() + kNearest - 1, all.end());
    const int32_t farthest = all[kNearest - 1];
    std::set<std::pair<int32_t, uint32_t>> pool, todo;
    std::set<uint32_t> seen;
    const auto offer = [&](uint32_t row) {
      if (!seen.insert(row).second) return;
      const std::pair<int32_t, uint32_t> found{distance(query, row), row};
      pool.insert(found);
      todo.insert(found);
      if (pool.size() <= pool_size) return;
      todo.erase(*pool.rbegin());
      pool.erase(std::prev(pool.end()));
    };
    for (const uint32_t cell : two_nearest_cells(cells, query)) offer(cells.starts[cell]);
    while (!todo.empty()) {
      const uint32_t row = todo.begin()->second;
      todo.erase(todo.begin());
      for (size_t i = 0; i < kMaxDegree; ++i) {
        const uint32_t target = linked.lists[row * kMaxDegree + i];
        if (target != kNoEdge) offer(target);
      }
    }
    size_t rank = 0;
    for (const auto& found : pool) hits += rank++ < kNearest && found.first <= farthest ? 1 : 0;
  }
  return static_cast<double>(hits) / (kQueries * kNearest);
}

// The least memory there may be: as many shards as there can.
uint64_t least_of(const TestCells& cells) { return link_bytes_least(shape_of(cells)); }

void expect_as_good_in_shards(const TestCells& cells) {
  const Linked whole = link_well(cells, {.thread_count = 2});
  EXPECT_EQ(whole.report.shard_count, 1u);
  EXPECT_EQ(whole.report.linked_rows, cells.count());
  expect_sound(cells, whole);
  const Linked shards = link_well(cells, {.memory_bytes = least_of(cells), .thread_count = 2});
  EXPECT_GE(shards.report.shard_count, 3u);
  expect_sound(cells, shards);
  const double of_whole = recall(cells, whole, 12), of_shards = recall(cells, shards, 12);
  std::printf("  recall %.4f at once, %.4f in %zu shards of %.2f times the rows\n", of_whole,
              of_shards, shards.report.shard_count,
              static_cast<double>(shards.report.linked_rows) / static_cast<double>(cells.count()));
  EXPECT_GE(of_whole, 0.9);
  EXPECT_GE(of_shards, of_whole - 0.01);
}

TEST(ShardLinkerTest, ShardsAreAsGoodAsTheWhole) {
  expect_as_good_in_shards(sort_into_cells(spread_rows(40000, 32, 1), 32, 200));
}

TEST(ShardLinkerTest, ShardsAreAsGoodAsTheWholeOfRealVectors) {
  constexpr size_t kRows = 50000, kDim = 128;
  const char* folder = std::getenv("ROX_DATA");  // NOLINT(concurrency-mt-unsafe): one thread
  const std::string path =
      (folder != nullptr ? folder : std::string(ROX_SOURCE_DIR) + "/../shared/data") +
      "/sift-1m/base.u8bin";
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes(kRows * kDim);
  file.seekg(8);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<long>(bytes.size()))) {
    GTEST_SKIP() << "no " << path;
  }
  expect_as_good_in_shards(sort_into_cells(bytes, kDim, 200));
}

TEST(ShardLinkerTest, OneShardIsTheGraphOfItsRows) {
  const TestCells cells = sort_into_cells(spread_rows(5000, 16, 2), 16, 100);
  const Linked linked = link_well(cells, {.seed = 5});
  const graph::Points points(cells.rows(), Metric::kL2);
  graph::GraphOptions options;
  options.prune = {.max_degree = kMaxDegree, .fill = true};
  options.partition.seed = 5;
  options.leaf_neighbours = 2;
  std::vector<uint32_t> entries;
  for (size_t cell = 0; cell + 1 < cells.starts.size(); ++cell) {
    if (cells.starts[cell] < cells.starts[cell + 1]) entries.push_back(cells.starts[cell]);
  }
  graph::Adjacency adjacency(cells.count(), kMaxDegree);
  graph::GraphCounts counts;
  base::ThreadPool pool(0);
  ASSERT_EQ(build_graph(points, pool, options, entries, adjacency, counts),
            graph::GraphOutcome::kDone);
  for (uint32_t row = 0; row < cells.count(); ++row) {
    const auto neighbours = adjacency.neighbours(row);
    ASSERT_TRUE(
        std::equal(neighbours.begin(), neighbours.end(), linked.lists.begin() + row * kMaxDegree));
  }
}

TEST(ShardLinkerTest, EdgesAreTheSameOnAnyNumberOfThreads) {
  const TestCells cells = sort_into_cells(spread_rows(30000, 16, 3), 16, 200);
  const uint64_t memory_bytes = least_of(cells);
  const Linked one = link_well(cells, {.memory_bytes = memory_bytes, .thread_count = 1});
  const Linked three = link_well(cells, {.memory_bytes = memory_bytes, .thread_count = 3});
  EXPECT_GT(one.report.shard_count, 2u);
  EXPECT_TRUE(one.lists == three.lists);
}

// Rows as floats around the origin, and where they are under a metric that has become L2.
struct FloatRows {
  std::vector<float> values;
  std::vector<float> places;
  size_t place_dim;
};

FloatRows float_rows(const TestCells& cells, Metric metric) {
  FloatRows rows{std::vector<float>(cells.bytes.begin(), cells.bytes.end()), {}, cells.dim + 1};
  for (float& value : rows.values) value -= 120;
  std::vector<float> norms(cells.count());
  for (size_t i = 0; i < rows.values.size(); ++i) {
    norms[i / cells.dim] += rows.values[i] * rows.values[i];
  }
  const float greatest = *std::max_element(norms.begin(), norms.end());
  for (size_t i = 0; i < cells.count(); ++i) {
    const float scale = metric == Metric::kCosine ? 100 / std::sqrt(norms[i]) : 1;
    for (size_t d = 0; d < cells.dim; ++d) {
      rows.places.push_back(rows.values[i * cells.dim + d] * scale);
    }
    rows.places.push_back(metric == Metric::kInnerProduct ? std::sqrt(greatest - norms[i]) : 0);
  }
  return rows;
}

// How many of the ten nearest are in a row's list; averaged over some rows.
double nearest_in_lists(const FloatRows& rows, const std::vector<uint32_t>& lists) {
  constexpr size_t kQueries = 200, kNearest = 10;
  const size_t count = rows.places.size() / rows.place_dim;
  size_t hits = 0;
  std::vector<float> distances(count);
  for (size_t q = 0; q < kQueries; ++q) {
    const size_t query = q * (count / kQueries);
    kernels::kernels().l2_f32(rows.places.data() + query * rows.place_dim, rows.places.data(),
                              count, rows.place_dim, distances.data());
    distances[query] = std::numeric_limits<float>::max();
    std::vector<float> sorted = distances;
    std::nth_element(sorted.begin(), sorted.begin() + kNearest - 1, sorted.end());
    for (size_t i = 0; i < kMaxDegree; ++i) {
      const uint32_t target = lists[query * kMaxDegree + i];
      hits += target != kNoEdge && distances[target] <= sorted[kNearest - 1] ? 1 : 0;
    }
  }
  return static_cast<double>(hits) / (kQueries * kNearest);
}

TEST(ShardLinkerTest, FloatsUnderEveryMetricAreLinkedAsWellInShards) {
  constexpr size_t kRows = 20000, kDim = 24;
  const TestCells cells = sort_into_cells(spread_rows(kRows, kDim, 8), kDim, 200);
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kInnerProduct}) {
    const FloatRows floats = float_rows(cells, metric);
    storage::SimulatedFileSystem files;
    const auto rows = OrderedRows::create(files, "rows", ScalarType::kF32, kDim).value();
    ASSERT_TRUE(rows->append(MatrixView::f32(floats.values.data(), kRows, kDim),
                             std::vector<uint32_t>(kRows), std::vector<uint64_t>(kRows)));
    ASSERT_TRUE(rows->finish());
    CellsView view = cells.view();
    view.map_rows = [](MatrixView some, float* out) {  // the cells are those of the bytes
      for (size_t i = 0; i < some.rows(); ++i, out += kDim) {
        std::memcpy(out, some.row(i), kDim * sizeof(float));
        for (size_t d = 0; d < kDim; ++d) out[d] += 120;
      }
    };
    base::ThreadPool pool(1);
    double in_lists[2];
    for (const bool is_sharded : {false, true}) {
      LinkOptions options;
      options.metric = metric;
      options.thread_count = 2;
      options.scratch_prefix = "scratch-";
      if (is_sharded) {
        LinkShape shape = shape_of(cells);
        shape.row_bytes = kDim * sizeof(float);
        options.memory_bytes = link_bytes_least(shape);
      }
      const auto edges = EdgeFile::create(files, "edges", kRows, kMaxDegree).value();
      const auto report = link_shards(*rows, view, pool, options, *edges);
      ASSERT_TRUE(report.is_ok()) << report.status().to_string();
      EXPECT_EQ(report->shard_count > 1, is_sharded);
      std::vector<uint32_t> lists(kRows * kMaxDegree);
      ASSERT_TRUE(edges->read(0, lists));
      in_lists[is_sharded ? 1 : 0] = nearest_in_lists(floats, lists);
    }
    EXPECT_GE(in_lists[0], 0.6) << metric_name(metric);
    EXPECT_GE(in_lists[1], in_lists[0] - 0.01) << metric_name(metric);
  }
}

TEST(ShardLinkerTest, FewOrEqualRowsAreLinked) {
  for (const size_t count : {1u, 2u, 3u, 700u}) {
    const TestCells few = sort_into_cells(spread_rows(count, 8, 4), 8, 200);
    expect_sound(few, link_well(few, {}));
  }
  TestCells equal;
  equal.dim = 8;
  equal.bytes.assign(8 * 20000, 3);
  equal.starts = {0, 0, 20000, 20000};
  equal.centroids.assign(8 * 3, 3);
  expect_sound(equal, link_well(equal, {}));
  const Linked shards = link_well(equal, {.memory_bytes = least_of(equal)});
  EXPECT_GE(shards.report.shard_count, 2u);
  expect_sound(equal, shards);
  TestCells none;
  none.dim = 8;
  none.starts = {0};
  EXPECT_EQ(link_well(none, {}).report.shard_count, 0u);
}

TEST(ShardLinkerTest, TooLittleMemoryNamesWhatItTakes) {
  const TestCells cells = sort_into_cells(spread_rows(1000, 8, 5), 8, 200);
  storage::SimulatedFileSystem files;
  const uint64_t least = least_of(cells);
  const Status status = link(cells, {.memory_bytes = least - 1}, files).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find(std::to_string(least)), std::string::npos) << status.to_string();
}

TEST(ShardLinkerTest, StopsWhenAskedAndLeavesNothing) {
  const TestCells cells = sort_into_cells(spread_rows(25000, 8, 6), 8, 200);
  for (const double stop_at : {0.0, 0.01, 0.3, 0.9, 1.0}) {
    storage::SimulatedFileSystem files;
    double last = 0;
    LinkOptions options;
    options.memory_bytes = least_of(cells);
    options.progress = [&](double fraction) {
      EXPECT_GE(fraction, last);
      EXPECT_LE(fraction, 1.0);
      last = fraction;
      return fraction < stop_at;
    };
    EXPECT_EQ(link(cells, options, files).status().code(), StatusCode::kCancelled) << stop_at;
    EXPECT_TRUE(files.files().empty());
  }
}

TEST(ShardLinkerTest, AFullDiskIsToldAndLeavesNothing) {
  const TestCells cells = sort_into_cells(spread_rows(25000, 8, 7), 8, 200);
  const uint64_t kept = cells.count() * (16 + cells.dim + kMaxDegree * sizeof(uint32_t));
  // Room for what goes in and comes out, and for some or much of what lies between.
  for (const uint64_t room : {uint64_t{1} << 16, uint64_t{2} << 20, uint64_t{7} << 20}) {
    storage::SimulatedFileSystem files;
    files.set_capacity_bytes(kept + room);
    const Status status = link(cells, {.memory_bytes = least_of(cells)}, files).status();
    EXPECT_EQ(status.code(), StatusCode::kDiskFull) << room << " " << status.to_string();
    EXPECT_TRUE(files.files().empty());
  }
}

TEST(ShardLinkerTest, ReadsThatFailAreToldAndLeaveNothing) {
  const TestCells cells = sort_into_cells(spread_rows(25000, 8, 7), 8, 200);
  for (const char* path : {"rows", "lists", "candidates"}) {
    for (const uint64_t occurrence : {1u, 20u}) {
      if (path == std::string("candidates") && occurrence > 1) continue;  // of few buckets
      storage::SimulatedFileSystem files;
      files.inject({.operation = storage::Operation::kRead,
                    .occurrence = occurrence,
                    .path_contains = path});
      const Status status = link(cells, {.memory_bytes = least_of(cells)}, files).status();
      EXPECT_EQ(status.code(), StatusCode::kIoError) << path << " " << status.to_string();
      EXPECT_TRUE(files.files().empty());
    }
  }
}

}  // namespace
}  // namespace roxanne::index
