// The reference kernels in plain C++: what every other instruction set is compared with.
//
// Floats are summed in double, so that the reference is closer to the truth than what it judges.
#include <cmath>
#include <cstring>

#include "base/f16.h"
#include "kernels/tables.h"

namespace roxanne::kernels {
namespace {

// Vectors come at any alignment, so elements are copied out.
template <typename T>
T load(const void* vector, size_t i) {
  T value;
  std::memcpy(&value, static_cast<const unsigned char*>(vector) + i * sizeof(T), sizeof(T));
  return value;
}

// What the elements of a vector are, and what they are summed in.
struct F32 {
  using Stored = float;
  using Sum = double;
  using Out = float;
  static double get(const void* vector, size_t i) { return load<float>(vector, i); }
};
struct F16 {
  using Stored = uint16_t;
  using Sum = double;
  using Out = float;
  static double get(const void* vector, size_t i) {
    return base::f16_to_f32(load<uint16_t>(vector, i));
  }
};
template <typename T>
struct Int {
  using Stored = T;
  using Sum = int32_t;
  using Out = int32_t;
  static int32_t get(const void* vector, size_t i) { return load<T>(vector, i); }
};
using U8 = Int<uint8_t>;
using I8 = Int<int8_t>;

template <typename T>
const void* row_at(const void* rows, size_t row, size_t dim) {
  return static_cast<const unsigned char*>(rows) + row * dim * sizeof(typename T::Stored);
}

template <typename Query, typename Row>
typename Row::Out dot(const void* query, const void* row, size_t dim) {
  typename Row::Sum sum = 0;
  for (size_t i = 0; i < dim; ++i) sum += Query::get(query, i) * Row::get(row, i);
  return static_cast<typename Row::Out>(sum);
}

template <typename Query, typename Row>
typename Row::Out l2(const void* query, const void* row, size_t dim) {
  typename Row::Sum sum = 0;
  for (size_t i = 0; i < dim; ++i) {
    const typename Row::Sum difference = Query::get(query, i) - Row::get(row, i);
    sum += difference * difference;
  }
  return static_cast<typename Row::Out>(sum);
}

template <typename Query, typename Row>
void dot_to_rows(const void* query, const void* rows, size_t row_count, size_t dim,
                 typename Row::Out* out) {
  for (size_t r = 0; r < row_count; ++r)
    out[r] = dot<Query, Row>(query, row_at<Row>(rows, r, dim), dim);
}

template <typename Query, typename Row>
void l2_to_rows(const void* query, const void* rows, size_t row_count, size_t dim,
                typename Row::Out* out) {
  for (size_t r = 0; r < row_count; ++r)
    out[r] = l2<Query, Row>(query, row_at<Row>(rows, r, dim), dim);
}

template <typename Row>
void norms(const void* rows, size_t row_count, size_t dim, typename Row::Out* out) {
  for (size_t r = 0; r < row_count; ++r) {
    const void* row = row_at<Row>(rows, r, dim);
    out[r] = dot<Row, Row>(row, row, dim);
  }
}

// Panels are the rows as they came, and prepared queries are the queries.
constexpr size_t kPanelRows = 16;

constexpr size_t round_up_64(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <typename T>
size_t panel_bytes(size_t dim) {
  return round_up_64(kPanelRows * dim * sizeof(typename T::Stored));
}

template <typename T>
void pack(const void* rows, size_t row_count, size_t dim, void* panel) {
  const size_t bytes = row_count * dim * sizeof(typename T::Stored);
  std::memcpy(panel, rows, bytes);
  std::memset(static_cast<unsigned char*>(panel) + bytes, 0, panel_bytes<T>(dim) - bytes);
}

template <typename T>
size_t prepared_bytes(size_t query_count, size_t dim) {
  return round_up_64(query_count * dim * sizeof(typename T::Stored));
}

template <typename T>
void prepare(const void* queries, size_t query_count, size_t dim, void* prepared) {
  if (query_count == 0) return;
  std::memcpy(prepared, queries, query_count * dim * sizeof(typename T::Stored));
}

template <typename Query, typename Row>
void panel_dot(const void* panel, const void* prepared, size_t first_query, size_t query_count,
               size_t dim, typename Row::Out* out, size_t out_stride) {
  for (size_t q = 0; q < query_count; ++q) {
    const void* query = row_at<Query>(prepared, first_query + q, dim);
    dot_to_rows<Query, Row>(query, panel, kPanelRows, dim, out + q * out_stride);
  }
}

template <typename Query, typename Row>
constexpr PanelKernels<typename Row::Out> kPanel = {
    kPanelRows,     panel_bytes<Row>,      pack<Row>, prepared_bytes<Query>,
    prepare<Query>, panel_dot<Query, Row>,
};

template <typename T>
size_t select_l2(const T* dots, const T* norms, size_t n, T bound, uint32_t* out) {
  size_t count = 0;
  for (size_t r = 0; r < n; ++r) {
    if (norms[r] - 2 * dots[r] <= bound) out[count++] = static_cast<uint32_t>(r);
  }
  return count;
}

template <typename T>
size_t select_scaled(const T* dots, const float* scales, size_t n, float bound, uint32_t* out) {
  size_t count = 0;
  for (size_t r = 0; r < n; ++r) {
    if (static_cast<float>(dots[r]) * scales[r] >= bound) out[count++] = static_cast<uint32_t>(r);
  }
  return count;
}

void sum_nibbles(const uint8_t* codes, const uint8_t* lut, size_t table_count, uint16_t* out) {
  for (size_t i = 0; i < kNibbleBlock; ++i) {
    uint32_t sum = 0;
    for (size_t t = 0; t < table_count; t += 2) {
      const uint8_t byte = codes[t / 2 * kNibbleBlock + i];
      sum += lut[16 * t + byte % 16] + lut[16 * (t + 1) + byte / 16];
    }
    out[i] = static_cast<uint16_t>(sum);
  }
}

}  // namespace
}  // namespace roxanne::kernels

#include "kernels/plain_neighbour_codes.h"  // on the sum_nibbles above
#include "kernels/plain_nibble_dots.h"
#include "kernels/plain_product_codes.h"

namespace roxanne::kernels {
namespace {

void lane_minima_l2_int(const int32_t* dots, const int32_t* norms, size_t n, int32_t* out) {
  for (size_t r = 0; r < n; ++r) {
    const int32_t value = norms[r] - 2 * dots[r];
    if (r < 16 || value < out[r % 16]) out[r % 16] = value;
  }
}

void f16_to_f32(const uint16_t* in, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = base::f16_to_f32(in[i]);
}

void f32_to_f16(const float* in, size_t count, uint16_t* out) {
  for (size_t i = 0; i < count; ++i) out[i] = base::f32_to_f16(in[i]);
}

void quantize_i8(const float* in, const float* centre, float scale, size_t count, int8_t* out) {
  for (size_t i = 0; i < count; ++i) {
    const float scaled = (in[i] - centre[i]) * scale;
    const float clamped = scaled < -127.0f ? -127.0f : scaled > 127.0f ? 127.0f : scaled;
    out[i] = static_cast<int8_t>(std::nearbyint(clamped));
  }
}

bool all_finite_f32(const float* in, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(in[i])) return false;
  }
  return true;
}

bool all_finite_f16(const uint16_t* in, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if ((in[i] & 0x7c00) == 0x7c00) return false;
  }
  return true;
}

}  // namespace

const KernelTable kScalarTable = {
    .isa = "scalar",
    .l2_f32 = l2_to_rows<F32, F32>,
    .l2_f16 = l2_to_rows<F32, F16>,
    .dot_f32 = dot_to_rows<F32, F32>,
    .dot_f16 = dot_to_rows<F32, F16>,
    .l2_u8 = l2_to_rows<U8, U8>,
    .l2_i8 = l2_to_rows<I8, I8>,
    .dot_u8 = dot_to_rows<U8, U8>,
    .dot_i8 = dot_to_rows<I8, I8>,
    .norms_f32 = norms<F32>,
    .norms_f16 = norms<F16>,
    .norms_u8 = norms<U8>,
    .norms_i8 = norms<I8>,
    .panel_f32 = kPanel<F32, F32>,
    .panel_f16 = kPanel<F32, F16>,
    .panel_u8 = kPanel<U8, U8>,
    .panel_i8 = kPanel<I8, I8>,
    .select_l2_float = select_l2<float>,
    .select_l2_int = select_l2<int32_t>,
    .select_scaled_float = select_scaled<float>,
    .select_scaled_int = select_scaled<int32_t>,
    .lane_minima_l2_int = lane_minima_l2_int,
    .sum_nibbles = sum_nibbles,
    .dot_nibbles = dot_nibbles,
    .encode_residual = encode_residual,
    .select_estimates = select_estimates,
    .nearest_entry = nearest_entry,
    .f16_to_f32 = f16_to_f32,
    .f32_to_f16 = f32_to_f16,
    .quantize_i8 = quantize_i8,
    .all_finite_f32 = all_finite_f32,
    .all_finite_f16 = all_finite_f16,
};

}  // namespace roxanne::kernels
