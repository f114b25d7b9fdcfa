// Disk indexes over test rows, and what their searches come to.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "index/disk_build.h"
#include "index/exact_scan.h"
#include "index/test_rows.h"
#include "storage/file_system.h"
#include "storage/test_directory.h"

namespace roxanne::index {

// Slots are three apart, tags their complement: nothing may rely on slots being nodes.
struct NamedRows {
  TestRows rows;
  std::vector<uint32_t> slots;
  std::vector<uint64_t> tags;

  explicit NamedRows(TestRows from) : rows(std::move(from)) {
    for (uint32_t i = 0; i < rows.rows; ++i) {
      slots.push_back(3 * i + 1);
      tags.push_back(~uint64_t{slots.back()});
    }
  }
  static size_t row_of_slot(uint64_t slot) { return (slot - 1) / 3; }
  RowsInMemory source() const { return {rows.view(), slots, tags}; }
  CollectionOptions options(Metric metric) const {
    return {.dim = rows.dim, .type = rows.type, .metric = metric};
  }
  LiveSet live() const { return set_of_slots(slots); }
};

inline DiskPaths disk_paths(const std::string& folder) {
  return {folder + "/graph.pages", folder + "/graph.codes"};
}

inline Result<std::unique_ptr<DiskIndex>> build_disk(storage::FileSystem& file_system,
                                                     const std::string& folder,
                                                     const NamedRows& rows, Metric metric,
                                                     DiskBuildOptions options = {}) {
  options.scratch_prefix = folder + "/scratch-";
  base::ThreadPool pool(options.thread_count - 1);
  return build_disk_index(file_system, disk_paths(folder), rows.options(metric), rows.source(),
                          pool, options);
}

// What an exact search answers; ids are slots.
inline std::vector<std::vector<ScanNeighbor>> truth_of(const NamedRows& rows, Metric metric,
                                                       const TestRows& queries, size_t k) {
  ExactScan scan(queries.view(), metric, k, 1);
  scan.scan(
      0, {.rows = rows.rows.bytes.data(), .row_count = rows.rows.rows, .tags = rows.tags.data()});
  auto truth = scan.finish();
  for (auto& answers : truth) {
    for (ScanNeighbor& one : answers) one.id = rows.slots[one.id];
  }
  return truth;
}

struct DiskMeasured {
  size_t hits = 0, wanted = 0;
  SearchStats stats;  // sums
  double recall() const { return static_cast<double>(hits) / static_cast<double>(wanted); }
};

class SearchedDisk {
 public:
  SearchedDisk(const NamedRows& rows, Metric metric, const TestRows& queries)
      : rows_(rows), metric_(metric), queries_(queries), all_(rows.live()) {}

  std::vector<DiskOutcome> search(DiskIndex& index, const DiskSearchOptions& options) const {
    base::ThreadPool pool(options.thread_count - 1);
    return index.search(queries_.view(), all_, pool, options);
  }
  // Recall, and that every answer is a point at its exact distance, once, in order.
  DiskMeasured measure(DiskIndex& index, const DiskSearchOptions& options) const {
    const auto truth = truth_of(rows_, metric_, queries_, rows_.rows.rows);
    DiskMeasured measured;
    const auto outcomes = search(index, options);
    for (size_t q = 0; q < outcomes.size(); ++q) {
      EXPECT_TRUE(outcomes[q].status.is_ok()) << outcomes[q].status.to_string();
      measured.hits += checked_hits(outcomes[q].found, truth[q], options.k);
      measured.wanted += std::min(options.k, truth[q].size());
      measured.stats += outcomes[q].stats;
    }
    return measured;
  }

 private:
  size_t checked_hits(const std::vector<ScanNeighbor>& found,
                      const std::vector<ScanNeighbor>& truth, size_t k) const {
    const size_t wanted = std::min(k, truth.size());
    EXPECT_EQ(found.size(), wanted);
    std::vector<const ScanNeighbor*> by_row(rows_.rows.rows);
    for (const ScanNeighbor& one : truth) by_row[NamedRows::row_of_slot(one.id)] = &one;
    size_t hits = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      const size_t row = NamedRows::row_of_slot(found[i].id);
      if (found[i].id % 3 != 1 || row >= by_row.size() || by_row[row] == nullptr) {
        ADD_FAILURE() << "slot " << found[i].id << " is not there, or was found twice";
        continue;
      }
      EXPECT_EQ(found[i].distance, by_row[row]->distance);
      EXPECT_EQ(found[i].tag, ~found[i].id);
      if (i > 0) {
        EXPECT_LE(found[i - 1].distance, found[i].distance);
      }
      hits += found[i].distance <= truth[wanted - 1].distance ? 1 : 0;
      by_row[row] = nullptr;
    }
    return hits;
  }

  const NamedRows& rows_;
  const Metric metric_;
  const TestRows& queries_;
  const LiveSet all_;
};

// The same answers at the same cost.
inline void expect_same(const std::vector<DiskOutcome>& one,
                        const std::vector<DiskOutcome>& other) {
  ASSERT_EQ(one.size(), other.size());
  for (size_t q = 0; q < one.size(); ++q) {
    SCOPED_TRACE("query " + std::to_string(q));
    ASSERT_EQ(one[q].found.size(), other[q].found.size());
    for (size_t i = 0; i < one[q].found.size(); ++i) {
      ASSERT_EQ(one[q].found[i].id, other[q].found[i].id);
      ASSERT_EQ(one[q].found[i].distance, other[q].found[i].distance);
      ASSERT_EQ(one[q].found[i].tag, other[q].found[i].tag);
    }
    EXPECT_EQ(one[q].stats.distance_computations, other[q].stats.distance_computations);
    EXPECT_EQ(one[q].stats.hops, other[q].stats.hops);
    EXPECT_EQ(one[q].stats.reads + one[q].stats.cache_hits,
              other[q].stats.reads + other[q].stats.cache_hits);
  }
}

inline void expect_sound(const DiskIndex& index, const NamedRows& rows) {
  index.verify([&](uint32_t slot) { return rows.rows.view().row(NamedRows::row_of_slot(slot)); },
               [](uint32_t slot) { return ~uint64_t{slot}; },
               [](const Status& status) {
                 ADD_FAILURE() << status.to_string();
                 return false;
               });
}

// Of one index in a folder of its own, on the disk.
class DiskIndexTest : public testing::Test {
 protected:
  Result<std::unique_ptr<DiskIndex>> build(const NamedRows& rows, Metric metric,
                                           const DiskBuildOptions& options = {}) {
    return build_disk(storage::posix_file_system(), directory_.path(), rows, metric, options);
  }
  Result<std::unique_ptr<DiskIndex>> open(const NamedRows& rows, Metric metric) {
    return DiskIndex::open(storage::posix_file_system(), disk_paths(directory_.path()),
                           rows.options(metric));
  }

  storage::TestDirectory directory_;
};

}  // namespace roxanne::index
