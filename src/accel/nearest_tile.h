// The one kernel of distances: the k nearest of some rows for a tile of queries, on tensor cores.
// Assigning points to leaders is this, and so is comparing all pairs of a leaf; distances live in
// registers and go nowhere.
//
// A block of four warps takes 64 queries; a warp 16 of them, the rows of one tensor core operation.
// Rows come 64 at a time, in chunks of 128 codes, through shared memory. A row's place in a list is
// by norm - 2 * dot, which orders like the distance. Each thread keeps lists of the columns that it
// sees, for two queries; the four threads of a query merge theirs at the end.
#pragma once

#include "accel/batch.h"
#include "accel/execution.h"

namespace roxanne::accel {

inline constexpr int kNearestThreads = 128;
inline constexpr uint32_t kTileRows = 64;
inline constexpr uint32_t kChunkBytes = 128;
inline constexpr uint32_t kChunkQuads = kChunkBytes / 16;
// One quad more than there are: the eight rows that a warp reads at once lie in different banks.
inline constexpr uint32_t kSharedRowQuads = kChunkQuads + 1;
inline constexpr uint32_t kStepBytes = 32;  // codes of one tensor core operation
inline constexpr int kColumnTiles = kTileRows / 8;
inline constexpr int32_t kFarthest = INT32_MAX;

// The K nearest so far, nearest first, ties by row.
template <int K>
struct NearList {
  int32_t distances[K];
  uint32_t rows[K];

  ROX_DEVICE void clear() {
    ROX_UNROLL
    for (int i = 0; i < K; ++i) {
      distances[i] = kFarthest;
      rows[i] = kNoRow;
    }
  }
  ROX_DEVICE bool precedes(int32_t distance, uint32_t row, int i) const {
    return distance < distances[i] || (distance == distances[i] && row < rows[i]);
  }
  ROX_DEVICE void insert(int32_t distance, uint32_t row) {
    if (!precedes(distance, row, K - 1)) return;
    ROX_UNROLL
    for (int i = K - 1; i > 0; --i) {
      const bool is_before_previous = precedes(distance, row, i - 1);
      const bool is_before = precedes(distance, row, i);
      distances[i] = is_before_previous ? distances[i - 1] : is_before ? distance : distances[i];
      rows[i] = is_before_previous ? rows[i - 1] : is_before ? row : rows[i];
    }
    if (precedes(distance, row, 0)) {
      distances[0] = distance;
      rows[0] = row;
    }
  }
  // Takes the nearest of both lists: of the i-th nearest here and the i-th farthest there, the
  // nearer one is among them, and what is left is sorted by a bitonic merge.
  ROX_DEVICE void merge(const NearList& other) {
    static_assert((K & (K - 1)) == 0);
    ROX_UNROLL
    for (int i = 0; i < K; ++i) {
      const int j = K - 1 - i;
      if (precedes(other.distances[j], other.rows[j], i)) {
        distances[i] = other.distances[j];
        rows[i] = other.rows[j];
      }
    }
    ROX_UNROLL
    for (int step = K / 2; step > 0; step /= 2) {
      ROX_UNROLL
      for (int i = 0; i < K; ++i) {
        if ((i & step) == 0 && precedes(distances[i + step], rows[i + step], i)) swap(i, i + step);
      }
    }
  }
  ROX_DEVICE void swap(int i, int j) {
    const int32_t distance = distances[i];
    const uint32_t row = rows[i];
    distances[i] = distances[j];
    rows[i] = rows[j];
    distances[j] = distance;
    rows[j] = row;
  }
};

struct ColumnSums {
  FragmentC tile[kColumnTiles];
};

template <class Exec>
struct NearestShared {
  typename Exec::template Shared<Quad, kTileQueries * kSharedRowQuads> queries;
  typename Exec::template Shared<Quad, kTileRows * kSharedRowQuads> rows;
  typename Exec::template Shared<int32_t, kTileRows> norms;
};

struct NearestRequest {
  uint32_t k;      // at most K
  bool skip_self;  // row i is no answer of query i
};

template <class Exec, int K>
class NearestTile {
 public:
  ROX_DEVICE NearestTile(Exec& exec, NearestShared<Exec>& shared, const CodeRows& rows,
                         const QueryTile& tile)
      : exec_(exec), shared_(shared), rows_(rows), tile_(tile) {}

  // Fills found[query * request.k...] with rows of the batch, kNoRow where there are too few.
  ROX_DEVICE void run(const NearestRequest& request, uint32_t* found) {
    exec_.each([&](int thread) {
      lists_[thread].of[0].clear();
      lists_[thread].of[1].clear();
    });
    const uint32_t chunk_count = (rows_.stride + kChunkBytes - 1) / kChunkBytes;
    for (uint32_t first = 0; first < tile_.row_count; first += kTileRows) {
      exec_.each([&](int thread) { clear(sums_[thread]); });
      for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
        exec_.sync();  // nobody reads what is written over
        // One chunk of queries stays for all rows.
        if (chunk_count > 1 || first == 0) load_queries(chunk);
        load_rows(first, chunk);
        exec_.sync();
        multiply(chunk);
      }
      take(first, request.skip_self);
    }
    merge(1);
    merge(2);
    write(request.k, found);
  }

 private:
  struct Lists {
    NearList<K> of[2];  // of the queries lane / 4 and lane / 4 + 8 of the warp's 16
  };

  ROX_DEVICE static void clear(ColumnSums& sums) {
    ROX_UNROLL
    for (int n = 0; n < kColumnTiles; ++n) {
      ROX_UNROLL
      for (int c = 0; c < 4; ++c) sums.tile[n].sums[c] = 0;
    }
  }

  // 16 bytes of a row; zeros beyond its end and beyond the last row.
  ROX_DEVICE Quad quad_of(uint32_t first, uint32_t count, uint32_t row, uint32_t byte) const {
    if (row >= count || byte >= rows_.stride) return Quad{{0, 0, 0, 0}};
    const size_t at = static_cast<size_t>(first + row) * rows_.stride + byte;
    return *reinterpret_cast<const Quad*>(rows_.codes + at);
  }

  ROX_DEVICE void load_queries(uint32_t chunk) {
    exec_.each([&](int thread) {
      for (uint32_t i = thread; i < kTileQueries * kChunkQuads; i += kNearestThreads) {
        const uint32_t row = i / kChunkQuads, quad = i % kChunkQuads;
        exec_.store(shared_.queries, thread, row * kSharedRowQuads + quad,
                    quad_of(tile_.query_first, tile_.query_count, row,
                            chunk * kChunkBytes + quad * uint32_t{sizeof(Quad)}));
      }
    });
  }

  ROX_DEVICE void load_rows(uint32_t first, uint32_t chunk) {
    const uint32_t count = tile_.row_count - first;
    exec_.each([&](int thread) {
      for (uint32_t i = thread; i < kTileRows * kChunkQuads; i += kNearestThreads) {
        const uint32_t row = i / kChunkQuads, quad = i % kChunkQuads;
        exec_.store(shared_.rows, thread, row * kSharedRowQuads + quad,
                    quad_of(tile_.row_first + first, count, row,
                            chunk * kChunkBytes + quad * uint32_t{sizeof(Quad)}));
      }
      if (chunk != 0) return;
      for (uint32_t row = thread; row < kTileRows; row += kNearestThreads) {
        exec_.store(shared_.norms, thread, row,
                    row < count ? rows_.norms[tile_.row_first + first + row] : 0);
      }
    });
  }

  template <class Array>
  ROX_DEVICE uint32_t word(Array& array, int thread, uint32_t row, uint32_t byte) {
    const uint32_t quad = row * kSharedRowQuads + byte / uint32_t{sizeof(Quad)};
    return exec_.load_word(array, thread, quad, byte / 4 % 4);
  }

  ROX_DEVICE void multiply(uint32_t chunk) {
    const uint32_t left = rows_.stride - chunk * kChunkBytes;
    const uint32_t bytes = left < kChunkBytes ? left : kChunkBytes;
    for (uint32_t step = 0; step < bytes; step += kStepBytes) {
      exec_.each([&](int thread) {
        const uint32_t query = thread / kWarpThreads * 16 + thread % kWarpThreads / 4;
        const uint32_t byte = step + thread % 4 * 4;
        a_[thread].words[0] = word(shared_.queries, thread, query, byte);
        a_[thread].words[1] = word(shared_.queries, thread, query + 8, byte);
        a_[thread].words[2] = word(shared_.queries, thread, query, byte + 16);
        a_[thread].words[3] = word(shared_.queries, thread, query + 8, byte + 16);
      });
      ROX_UNROLL
      for (int n = 0; n < kColumnTiles; ++n) {
        exec_.each([&](int thread) {
          const uint32_t row = n * 8 + thread % kWarpThreads / 4;
          const uint32_t byte = step + thread % 4 * 4;
          b_[thread].words[0] = word(shared_.rows, thread, row, byte);
          b_[thread].words[1] = word(shared_.rows, thread, row, byte + 16);
        });
        exec_.multiply(sums_, n, a_, b_);
      }
    }
  }

  // Puts the sums of 64 rows into the lists. A thread sees rows in ascending order.
  ROX_DEVICE void take(uint32_t first, bool skip_self) {
    const uint32_t left = tile_.row_count - first;
    exec_.each([&](int thread) {
      ROX_UNROLL
      for (int n = 0; n < kColumnTiles; ++n) {
        ROX_UNROLL
        for (int c = 0; c < 4; ++c) {
          const uint32_t row = n * 8 + thread % 4 * 2 + (c & 1);
          if (row >= left) continue;
          const uint32_t number = tile_.row_first + first + row;
          if (skip_self && number == query_of(thread, c >> 1)) continue;
          const int32_t norm = exec_.load(shared_.norms, thread, row);
          lists_[thread].of[c >> 1].insert(norm - 2 * sums_[thread].tile[n].sums[c], number);
        }
      }
    });
  }

  // Row number, in the batch, of one of the thread's two queries; it may lie beyond the tile's end.
  ROX_DEVICE uint32_t query_of(int thread, int which) const {
    return tile_.query_first + thread / kWarpThreads * 16 + thread % kWarpThreads / 4 + which * 8;
  }

  ROX_DEVICE void merge(int mask) {
    ROX_UNROLL
    for (int which = 0; which < 2; ++which) {
      exec_.each([&](int thread) { mine_[thread] = lists_[thread].of[which]; });
      exec_.exchange(mine_, others_, mask);
      exec_.each([&](int thread) { lists_[thread].of[which].merge(others_[thread]); });
    }
  }

  ROX_DEVICE void write(uint32_t k, uint32_t* found) {
    exec_.each([&](int thread) {
      if (thread % 4 != 0) return;
      ROX_UNROLL
      for (int which = 0; which < 2; ++which) {
        const uint32_t query = query_of(thread, which);
        if (query >= tile_.query_first + tile_.query_count) continue;
        ROX_UNROLL
        for (int i = 0; i < K; ++i) {
          if (uint32_t(i) < k) {
            found[static_cast<size_t>(query) * k + i] = lists_[thread].of[which].rows[i];
          }
        }
      }
    });
  }

  Exec& exec_;
  NearestShared<Exec>& shared_;
  const CodeRows rows_;
  const QueryTile tile_;
  typename Exec::template PerThread<Lists> lists_;
  typename Exec::template PerThread<ColumnSums> sums_;
  typename Exec::template PerThread<FragmentA> a_;
  typename Exec::template PerThread<FragmentB> b_;
  typename Exec::template PerThread<NearList<K>> mine_, others_;
};

}  // namespace roxanne::accel
