// Distance kernels: one table of function pointers an instruction set, chosen once at start.
//
// ROX_ISA=scalar|avx2|avx512|neon forces one; naming one that the machine lacks ends the process
// with a message. All kernels take dense row-major vectors at any alignment; dim is 1..16384 and
// counts may be 0. f16 is IEEE binary16 in uint16_t. scalar.cc is the reference for all of them.
//
// Integers are exact: sums of products of u8 or i8 stay below 2^31 up to 16384 dimensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/neighbour_codes.h"
#include "kernels/nibble_dots.h"
#include "kernels/product_codes.h"

namespace roxanne::kernels {

// One query to many rows: out[r] = f(query, rows + r * dim).
// L2 is the squared distance; dot is the plain inner product (callers negate).
// Queries of f32 and f16 rows are float; queries of u8 rows are u8, of i8 rows i8.
using FloatToRowsFn = void (*)(const void* query, const void* rows, size_t row_count, size_t dim,
                               float* out);
using IntToRowsFn = void (*)(const void* query, const void* rows, size_t row_count, size_t dim,
                             int32_t* out);

// Squared norms of rows, the same sums as dot(x, x).
using FloatNormsFn = void (*)(const void* rows, size_t row_count, size_t dim, float* out);
using IntNormsFn = void (*)(const void* rows, size_t row_count, size_t dim, int32_t* out);

// Many queries to many rows: rows are packed once into panels of at most `panel_rows`, queries are
// prepared once; then dot() computes all pairs of one panel with register-blocked tiles.
template <typename Out>
struct PanelKernels {
  size_t panel_rows;  // rows in one packed panel, a multiple of 16
  // Bytes of a packed panel; panels are 64-byte aligned.
  size_t (*panel_bytes)(size_t dim);
  // Packs 1..panel_rows rows; missing rows act as zeros.
  void (*pack)(const void* rows, size_t row_count, size_t dim, void* panel);
  // Bytes of `query_count` prepared queries; 64-byte aligned.
  size_t (*prepared_bytes)(size_t query_count, size_t dim);
  // Queries of f32 and f16 panels are float, row-major.
  void (*prepare)(const void* queries, size_t query_count, size_t dim, void* prepared);
  // out[q * out_stride + r] = dot(query first_query + q, row r) for q < query_count and
  // r < panel_rows. out is 64-byte aligned, out_stride a multiple of 16.
  // `prepared` is the whole prepared block; first_query is a multiple of kQueryGroup.
  void (*dot)(const void* panel, const void* prepared, size_t first_query, size_t query_count,
              size_t dim, Out* out, size_t out_stride);
};
// Queries are tiled in groups whose size divides this, in every instruction set.
inline constexpr size_t kQueryGroup = 24;

// Which rows of a tile may be near enough. Writes ascending indices r < n to `out`, returns how
// many. `n` is a multiple of 16, arrays are 64-byte aligned; out has room for n.
//   select_l2:      norms[r] - 2 * dots[r] <= bound
//   select_scaled:  float(dots[r]) * scales[r] >= bound
using SelectL2FloatFn = size_t (*)(const float* dots, const float* norms, size_t n, float bound,
                                   uint32_t* out);
using SelectL2IntFn = size_t (*)(const int32_t* dots, const int32_t* norms, size_t n, int32_t bound,
                                 uint32_t* out);
using SelectScaledFloatFn = size_t (*)(const float* dots, const float* scales, size_t n,
                                       float bound, uint32_t* out);
using SelectScaledIntFn = size_t (*)(const int32_t* dots, const float* scales, size_t n,
                                     float bound, uint32_t* out);

// Sums of table look-ups for a block of kNibbleBlock codes:
//   out[i] = sum over t < table_count of lut[16 * t + nibble(t, i)].
// `codes` is table_count / 2 rows of 32 bytes: byte i of row m holds code i's nibbles, in its low
// half for table 2m, in its high half for table 2m + 1. table_count is even and at most
// kNibbleTablesMax, so that sums fit; out has room for kNibbleBlock. Any alignment will do; 64
// bytes is the fastest.
using SumNibblesFn = void (*)(const uint8_t* codes, const uint8_t* lut, size_t table_count,
                              uint16_t* out);
inline constexpr size_t kNibbleBlock = 32;
inline constexpr size_t kNibbleTablesMax = 256;

// The smallest norms[r] - 2 * dots[r] of every sixteenth row: out[l] over the rows r = l (mod 16).
// `n` is a multiple of 16 and not 0, arrays are 64-byte aligned, out has 16 places. The k-th
// smallest of the 16 bounds the k-th smallest of all, which is how a few nearest rows are found in
// two passes without a branch a row.
using LaneMinimaL2IntFn = void (*)(const int32_t* dots, const int32_t* norms, size_t n,
                                   int32_t* out);

struct KernelTable {
  const char* isa;  // "scalar", "avx2", "avx512", "neon"

  FloatToRowsFn l2_f32, l2_f16, dot_f32, dot_f16;
  IntToRowsFn l2_u8, l2_i8, dot_u8, dot_i8;
  FloatNormsFn norms_f32, norms_f16;
  IntNormsFn norms_u8, norms_i8;

  PanelKernels<float> panel_f32, panel_f16;
  PanelKernels<int32_t> panel_u8, panel_i8;

  SelectL2FloatFn select_l2_float;
  SelectL2IntFn select_l2_int;
  SelectScaledFloatFn select_scaled_float;
  SelectScaledIntFn select_scaled_int;
  LaneMinimaL2IntFn lane_minima_l2_int;

  SumNibblesFn sum_nibbles;
  DotNibblesFn dot_nibbles;
  EncodeResidualFn encode_residual;
  SelectEstimatesFn select_estimates;
  NearestEntryFn nearest_entry;

  // f16 <-> f32, any count; to f16 rounds to nearest even, overflow to infinity.
  void (*f16_to_f32)(const uint16_t* in, size_t count, float* out);
  void (*f32_to_f16)(const float* in, size_t count, uint16_t* out);
  // out[i] = (in[i] - centre[i]) * scale, clamped to [-127, 127] and rounded to nearest even: the
  // same bytes in every instruction set.
  void (*quantize_i8)(const float* in, const float* centre, float scale, size_t count, int8_t* out);
  // Whether no element is NaN or infinite.
  bool (*all_finite_f32)(const float* in, size_t count);
  bool (*all_finite_f16)(const uint16_t* in, size_t count);
};

// The table for this machine, chosen on first use.
const KernelTable& kernels();

// Every table this machine can run, scalar first: for tests and benchmarks.
std::span<const KernelTable* const> available_kernels();
// Names of the sets compiled in that this machine lacks: tests print them as skipped.
std::span<const char* const> unavailable_isas();

}  // namespace roxanne::kernels
