#include "index/exact_distance.h"

#include <cmath>

namespace roxanne::index {

float cosine_distance(float dot, float query_norm, float row_norm) {
  const double scale = std::sqrt(static_cast<double>(query_norm) * static_cast<double>(row_norm));
  return scale > 0 ? static_cast<float>(1.0 - static_cast<double>(dot) / scale) : 1.0f;
}

ExactDistance::ExactDistance(ScalarType type, Metric metric, size_t dim)
    : type_(type), metric_(metric), dim_(dim) {
  const kernels::KernelTable& table = kernels::kernels();
  const bool is_l2 = metric == Metric::kL2;
  switch (type) {
    case ScalarType::kF32:
      float_kernel_ = is_l2 ? table.l2_f32 : table.dot_f32;
      break;
    case ScalarType::kF16:
      float_kernel_ = is_l2 ? table.l2_f16 : table.dot_f16;
      widened_.resize(dim);
      break;
    case ScalarType::kU8:
      int_kernel_ = is_l2 ? table.l2_u8 : table.dot_u8;
      break;
    case ScalarType::kI8:
      int_kernel_ = is_l2 ? table.l2_i8 : table.dot_i8;
      break;
  }
}

void ExactDistance::set_query(const std::byte* query) {
  query_ = query;
  if (type_ == ScalarType::kF16) {
    kernels::kernels().f16_to_f32(reinterpret_cast<const uint16_t*>(query), dim_, widened_.data());
    query_ = widened_.data();
  }
  query_norm_ = row_norm(query);
}

void ExactDistance::to_rows(const std::byte* rows, size_t row_count, const float* norms,
                            float* out) {
  if (int_kernel_ != nullptr) {
    products_.resize(row_count);
    int_kernel_(query_, rows, row_count, dim_, products_.data());
    for (size_t i = 0; i < row_count; ++i) out[i] = static_cast<float>(products_[i]);
  } else {
    float_kernel_(query_, rows, row_count, dim_, out);
  }
  if (metric_ == Metric::kL2) return;
  for (size_t i = 0; i < row_count; ++i) {
    out[i] =
        metric_ == Metric::kInnerProduct ? -out[i] : cosine_distance(out[i], query_norm_, norms[i]);
  }
}

float ExactDistance::row_norm(const std::byte* row) const {
  if (metric_ != Metric::kCosine) return 0;
  const kernels::KernelTable& table = kernels::kernels();
  float norm = 0;
  int32_t whole = 0;
  switch (type_) {
    case ScalarType::kF32:
      table.norms_f32(row, 1, dim_, &norm);
      break;
    case ScalarType::kF16:
      table.norms_f16(row, 1, dim_, &norm);
      break;
    case ScalarType::kU8:
      table.norms_u8(row, 1, dim_, &whole);
      break;
    case ScalarType::kI8:
      table.norms_i8(row, 1, dim_, &whole);
      break;
  }
  return int_kernel_ != nullptr ? static_cast<float>(whole) : norm;
}

}  // namespace roxanne::index
