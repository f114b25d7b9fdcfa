// One query to many rows: the loops that every vector instruction set shares.
// Included once by the file of each set and compiled with its flags; hence the
// anonymous namespace.
//
// A set provides `Op`s, each one metric on one element type:
//   Query, Row, Out     element types
//   kLanes              elements a step takes
//   kSumsPerRow         registers that take turns with the steps of a row: enough of them to keep
//                       the multipliers busy with a single row; a power of two
//   kRowsTogether       short rows that share the loads of the query and a reduction
//   Chunk, Sum          a step's elements in registers; a register of partial
//   sums query(p), row(p)    the kLanes elements at p query_tail(v, dim),
//   row_tail(v, dim)
//                       the last dim % kLanes elements of vector v and zeros,
//                       in the same lanes for both; reads nothing outside the
//                       vector
//   zero(), add(a, b), step(sum, query, row)
//   bias(query, dim)    what every total lacks, for sets whose products need a
//   correction store(sums, bias, out)  writes the totals of one row or of
//   kRowsTogether rows
//
// A row's result does not depend on the rows it was computed with: one row and
// several rows add in the same order.
#pragma once

#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

// How far ahead rows are fetched. The hardware's prefetcher stops at page ends
// and starts late.
constexpr size_t kAheadBytes = 4096;
// Shorter rows are taken Op::kRowsTogether at a time. Longer ones are not, since memory is faster
// with one stream of reads than with several.
constexpr size_t kLongRowBytes = 256;
constexpr size_t kLineBytes = 64;

// kSelf: rows are multiplied with themselves and there is no query.
// kAhead: at least kAheadBytes of rows follow the ones at hand.
template <typename Op, size_t kRows, bool kSelf, bool kAhead>
struct RowSums {
  using Query = typename Op::Query;
  using Row = typename Op::Row;
  using Chunk = typename Op::Chunk;
  using Sum = typename Op::Sum;

  static constexpr size_t kSums = Op::kSumsPerRow;
  static constexpr size_t kStride = kSums * Op::kLanes;

  static ROX_INLINE void step(Sum (&sums)[kRows], const Query* query, const Row* rows, size_t dim) {
    Chunk chunk;
    if constexpr (!kSelf) chunk = Op::query(query);
    ROX_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const Chunk row = Op::row(rows + r * dim);
      if constexpr (kSelf) chunk = row;
      sums[r] = Op::step(sums[r], chunk, row);
    }
  }

  static ROX_INLINE void tail(Sum (&sums)[kRows], const Query* query, const Row* rows, size_t dim) {
    Chunk chunk;
    if constexpr (!kSelf) chunk = Op::query_tail(query, dim);
    ROX_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const Chunk row = Op::row_tail(rows + r * dim, dim);
      if constexpr (kSelf) chunk = row;
      sums[r] = Op::step(sums[r], chunk, row);
    }
  }

  static ROX_INLINE void fetch_ahead(const Row* rows, size_t dim) {
    ROX_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const char* ahead = reinterpret_cast<const char*>(rows + r * dim) + kAheadBytes;
      ROX_UNROLL
      for (size_t b = 0; b < kStride * sizeof(Row); b += kLineBytes) __builtin_prefetch(ahead + b);
    }
  }

  // A row's sum with itself has no query: there is nothing to step through.
  static ROX_INLINE const Query* at(const Query* query, size_t i) {
    return kSelf ? nullptr : query + i;
  }

  static ROX_INLINE void run(const Query* query, const Row* rows, size_t dim,
                             Sum (&totals)[kRows]) {
    Sum sums[kSums][kRows];
    ROX_UNROLL
    for (size_t s = 0; s < kSums; ++s) {
      ROX_UNROLL
      for (size_t r = 0; r < kRows; ++r) sums[s][r] = Op::zero();
    }
    size_t i = 0;
    for (; i + kStride <= dim; i += kStride) {
      if constexpr (kAhead) fetch_ahead(rows + i, dim);
      ROX_UNROLL
      for (size_t s = 0; s < kSums; ++s) {
        step(sums[s], at(query, i + s * Op::kLanes), rows + i + s * Op::kLanes, dim);
      }
    }
    ROX_UNROLL
    for (size_t s = 0; s + 1 < kSums; ++s) {
      if (i + Op::kLanes > dim) break;
      step(sums[s], at(query, i), rows + i, dim);
      i += Op::kLanes;
    }
    if (i < dim) tail(sums[kSums - 1], query, rows, dim);
    ROX_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      ROX_UNROLL
      for (size_t step = 1; step < kSums; step *= 2) {
        ROX_UNROLL
        for (size_t s = 0; s + step < kSums; s += 2 * step) {
          sums[s][r] = Op::add(sums[s][r], sums[s + step][r]);
        }
      }
      totals[r] = sums[0][r];
    }
  }
};

template <typename Op, size_t kRows, bool kSelf, bool kAhead>
size_t sum_blocks(const void* query_begin, const void* rows_begin, size_t first, size_t last,
                  size_t dim, typename Op::Out* out) {
  const auto* query = static_cast<const typename Op::Query*>(query_begin);
  const auto* rows = static_cast<const typename Op::Row*>(rows_begin);
  typename Op::Out bias = 0;
  if constexpr (!kSelf) bias = Op::bias(query, dim);
  size_t r = first;
  for (; r + kRows <= last; r += kRows) {
    typename Op::Sum sums[kRows];
    RowSums<Op, kRows, kSelf, kAhead>::run(query, rows + r * dim, dim, sums);
    Op::store(sums, bias, out + r);
  }
  return r;
}

template <typename Op, bool kSelf>
ROX_INLINE void sum_all(const void* query, const void* rows, size_t row_count, size_t dim,
                        typename Op::Out* out) {
  const size_t row_bytes = dim * sizeof(typename Op::Row);
  const size_t ahead_rows = (kAheadBytes + row_bytes - 1) / row_bytes;
  const size_t with_ahead = row_count > ahead_rows ? row_count - ahead_rows : 0;
  size_t r = 0;
  if (row_bytes < kLongRowBytes) {
    constexpr size_t kRows = Op::kRowsTogether;
    if (with_ahead != 0) {
      r = sum_blocks<Op, kRows, kSelf, true>(query, rows, 0, with_ahead, dim, out);
    }
    if (r + kRows <= row_count) {
      r = sum_blocks<Op, kRows, kSelf, false>(query, rows, r, row_count, dim, out);
    }
  } else if (with_ahead != 0) {
    r = sum_blocks<Op, 1, kSelf, true>(query, rows, 0, with_ahead, dim, out);
  }
  if (r < row_count) sum_blocks<Op, 1, kSelf, false>(query, rows, r, row_count, dim, out);
}

template <typename Op>
void to_rows(const void* query, const void* rows, size_t row_count, size_t dim,
             typename Op::Out* out) {
  sum_all<Op, false>(query, rows, row_count, dim, out);
}

template <typename Op>
void self_dots(const void* rows, size_t row_count, size_t dim, typename Op::Out* out) {
  sum_all<Op, true>(nullptr, rows, row_count, dim, out);
}

}  // namespace
}  // namespace roxanne::kernels
