#include "database/tail_rows.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "index/exact_scan.h"
#include "storage/simulated_file_system.h"

namespace roxanne::database {
namespace {

constexpr size_t kTailDim = 16;
constexpr uint64_t kBudgetBytes = 1u << 20;

using Row = std::vector<std::byte>;
Row row_of(uint32_t value) {
  Row row(kTailDim);
  for (size_t i = 0; i < kTailDim; ++i) row[i] = std::byte((value * 7 + i * 13) % 251);
  return row;
}

storage::RowRef ref_of(uint32_t slot, const Row& row) {
  return {slot, uint64_t{slot} + 1000, slot + 1, row.data()};
}

index::LiveSet set_of(const std::set<uint32_t>& slots) {
  return index::set_of_slots(std::vector<uint32_t>(slots.begin(), slots.end()));
}

// Slots, by what a search would compare with.
std::map<uint32_t, Row> rows_in(const TailRows& rows) {
  std::map<uint32_t, Row> found;
  for (size_t piece = 0; piece < rows.piece_count(); ++piece) {
    const index::ScanRows scan = rows.piece(piece);
    for (size_t r = 0; r < scan.row_count; ++r) {
      if (((scan.live[r / 64] >> (r % 64)) & 1) == 0) continue;
      const uint32_t slot = rows.slot_of(scan.first_id + r);
      const auto* bytes = static_cast<const std::byte*>(scan.rows) + r * kTailDim;
      EXPECT_TRUE(found.emplace(slot, Row(bytes, bytes + kTailDim)).second) << "twice: " << slot;
      EXPECT_EQ(scan.tags[r], uint64_t{slot} + 1000);
      EXPECT_EQ(static_cast<const uint32_t*>(scan.norms)[r], slot + 1);
    }
  }
  EXPECT_EQ(found.size(), rows.count());
  return found;
}

TEST(TailRows, KeepsWhatWasAppended) {
  index::MemoryBudget budget(kBudgetBytes);
  {
    TailRows rows(kTailDim, {5000, 512u << 10}, budget);
    for (uint32_t slot = 0; slot < 3000; ++slot)
      ASSERT_TRUE(rows.append(ref_of(slot, row_of(slot))));
    EXPECT_EQ(rows.count(), 3000u);
    EXPECT_EQ(rows.bytes_in_memory(), kBudgetBytes - budget.left());
    const auto found = rows_in(rows);
    for (uint32_t slot = 0; slot < 3000; ++slot) EXPECT_EQ(found.at(slot), row_of(slot));
    const auto oldest = rows.oldest(10);
    ASSERT_EQ(oldest.size(), 10u);
    EXPECT_EQ(oldest.back().slot, 9u);
    EXPECT_EQ(rows.slots().count(), 3000u);
  }
  EXPECT_EQ(budget.left(), kBudgetBytes);
}

TEST(TailRows, StaysWithinItsLimitsAndTheBudget) {
  index::MemoryBudget budget(kBudgetBytes);
  TailRows few(kTailDim, {10, 512u << 10}, budget);
  for (uint32_t slot = 0; slot < 20; ++slot) {
    EXPECT_EQ(few.append(ref_of(slot, row_of(slot))), slot < 10);
  }
  TailRows small(kTailDim, {100'000, 100'000}, budget);
  uint32_t slot = 0;
  while (small.append(ref_of(slot, row_of(slot)))) ++slot;
  EXPECT_LE(small.bytes_in_memory(), 100'000u);
  EXPECT_GE(slot, 2000u);
  TailRows large(kTailDim, {1'000'000, 1u << 30}, budget);
  while (large.append(ref_of(slot, row_of(slot)))) ++slot;
  EXPECT_LT(budget.left(), 64u << 10);
}

TEST(TailRows, CopiesDoNotSeeWhatComesLater) {
  index::MemoryBudget budget(kBudgetBytes);
  TailRows first(kTailDim, {5000, 512u << 10}, budget);
  ASSERT_TRUE(first.append(ref_of(1, row_of(1))));
  TailRows second = first;
  ASSERT_TRUE(second.append(ref_of(2, row_of(2))));
  TailRows other = first;  // nobody's successor: must not write over what `second` has
  ASSERT_TRUE(other.append(ref_of(3, row_of(3))));
  EXPECT_EQ(rows_in(first), (std::map<uint32_t, Row>{{1, row_of(1)}}));
  EXPECT_EQ(rows_in(second), (std::map<uint32_t, Row>{{1, row_of(1)}, {2, row_of(2)}}));
  EXPECT_EQ(rows_in(other), (std::map<uint32_t, Row>{{1, row_of(1)}, {3, row_of(3)}}));
}

TEST(TailRows, GivesMemoryBackWhenRowsGo) {
  index::MemoryBudget budget(kBudgetBytes);
  TailRows rows(kTailDim, {5000, 512u << 10}, budget);
  for (uint32_t slot = 0; slot < 3000; ++slot) ASSERT_TRUE(rows.append(ref_of(slot, row_of(slot))));
  const uint64_t before = rows.bytes_in_memory();
  std::set<uint32_t> left;
  for (uint32_t slot = 2100; slot < 3000; slot += 2) left.insert(slot);
  rows.keep_only(set_of(left));
  EXPECT_LT(rows.bytes_in_memory(), before / 2);
  EXPECT_EQ(rows.count(), left.size());
  EXPECT_EQ(rows.oldest(1).front().slot, 2100u);
  rows.keep_only({});
  EXPECT_EQ(rows.count(), 0u);
  EXPECT_EQ(budget.left(), kBudgetBytes);
}

// A slot that is written again is found with its new row, once.
TEST(Tail, FollowsWritesFreesAndAGraph) {
  std::mt19937 random(5);
  index::MemoryBudget budget(kBudgetBytes);
  for (const uint64_t rows_max : {uint64_t{40}, uint64_t{5000}}) {
    std::map<uint32_t, Row> points;  // by slot
    std::set<uint32_t> live, indexed;
    index::LiveSet live_before;
    Tail tail = make_tail({}, {}, TailRows(kTailDim, {rows_max, 512u << 10}, budget));
    for (int step = 0; step < 400; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      std::vector<Row> bytes;
      std::vector<storage::RowRef> written;
      std::set<uint32_t> chunks;
      bool only_grew = false;
      if (random() % 3 == 0) {  // the graph takes some in, and others out
        for (int i = 0; i < 20; ++i) {
          const uint32_t slot = random() % 5000;
          const bool is_in = indexed.contains(slot);
          if (!is_in && !live.contains(slot)) continue;
          if (is_in && live.contains(slot)) continue;
          is_in ? (void)indexed.erase(slot) : (void)indexed.insert(slot);
          chunks.insert(slot / index::kLiveChunkSlots);
        }
      } else {
        only_grew = random() % 2 == 0;
        if (!only_grew) {
          for (int i = 0; i < 10 && !live.empty(); ++i) {
            auto one = live.lower_bound(random() % 5000);
            if (one != live.end()) live.erase(one);
          }
        }
        std::set<uint32_t> slots;
        for (int i = 0; i < 12; ++i) {
          const uint32_t slot = random() % 5000;
          // Those that were freed in this step are not written in it, nor those of nodes.
          if (!live_before.contains(slot) && !indexed.contains(slot)) slots.insert(slot);
        }
        for (const uint32_t slot : slots) {
          live.insert(slot);
          points[slot] = row_of(slot + static_cast<uint32_t>(step) * 31);
          written.push_back(ref_of(slot, points[slot]));
        }
      }
      const index::LiveSet live_now = set_of(live);
      const std::vector<size_t> changed(chunks.begin(), chunks.end());
      const Tail before = tail;
      const auto rows_before = rows_in(before.rows);
      tail.apply({.live_before = live_before,
                  .live = live_now,
                  .indexed = set_of(indexed),
                  .indexed_chunks = changed,
                  .rows = written,
                  .only_grew = only_grew});
      live_before = live_now;
      EXPECT_EQ(rows_in(before.rows), rows_before) << "an earlier version's";
      std::set<uint32_t> expected;
      for (const uint32_t slot : live) {
        if (!indexed.contains(slot)) expected.insert(slot);
      }
      const auto found = rows_in(tail.rows);
      EXPECT_LE(found.size(), rows_max);
      std::set<uint32_t> both;
      for (const auto& [slot, row] : found) {
        both.insert(slot);
        EXPECT_EQ(row, points[slot]) << slot;
      }
      for (const uint32_t slot : index::slots_of(tail.on_disk)) {
        EXPECT_TRUE(both.insert(slot).second) << "in memory and not: " << slot;
      }
      EXPECT_EQ(both, expected);
      EXPECT_EQ(tail.count(), expected.size());
    }
  }
}

TEST(Tail, IsReadFromTheVectorsFile) {
  storage::SimulatedFileSystem file_system;
  index::MemoryBudget budget(kBudgetBytes);
  auto file = storage::RowFile::create(file_system, "/vectors.dat", kTailDim);
  ASSERT_TRUE(file.is_ok());
  index::VectorStore vectors(*std::move(file), budget);
  ASSERT_TRUE(vectors.file().reserve(6000));
  std::vector<Row> bytes;
  for (uint32_t slot = 0; slot < 6000; ++slot) bytes.push_back(row_of(slot));
  std::vector<storage::RowRef> written;
  for (uint32_t slot = 0; slot < 6000; ++slot) written.push_back(ref_of(slot, bytes[slot]));
  ASSERT_TRUE(vectors.write(written));
  std::set<uint32_t> live, indexed;
  for (uint32_t slot = 0; slot < 6000; ++slot) live.insert(slot);
  // A dense block, and single rows.
  for (uint32_t slot = 0; slot < 6000; ++slot) {
    if (slot / 1000 != 2 && slot % 700 != 0) indexed.insert(slot);
  }
  TailRows rows(kTailDim, {1005, 512u << 10}, budget);
  const index::LiveSet tail_slots = index::without(set_of(live), set_of(indexed));
  ASSERT_TRUE(load_rows(vectors, tail_slots, rows));
  const Tail tail = make_tail(set_of(live), set_of(indexed), std::move(rows));
  EXPECT_EQ(tail.count(), tail_slots.count());
  EXPECT_EQ(tail.rows.count(), 1005u);
  EXPECT_EQ(tail.on_disk.count(), tail_slots.count() - 1005);
  for (const auto& [slot, row] : rows_in(tail.rows)) EXPECT_EQ(row, row_of(slot));
}

}  // namespace
}  // namespace roxanne::database
