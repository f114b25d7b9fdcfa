// The distance of one query to stored rows, in a collection's metric: what every regime answers
// with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/distance.h"
#include "roxanne/types.h"

namespace roxanne::index {

// One minus the cosine, from an inner product and two squared norms.
float cosine_distance(float dot, float query_norm, float row_norm);

// One thread's; queries come and go.
class ExactDistance {
 public:
  ExactDistance(ScalarType type, Metric metric, size_t dim);

  // A vector of the scalar type; its bytes stay the caller's while it is compared.
  void set_query(const std::byte* query);

  // The squared norm of a row as the metric needs it: 0 but for cosine.
  float row_norm(const std::byte* row) const;
  // `norm` is row_norm(row).
  float operator()(const std::byte* row, float norm) const {
    float value;
    if (int_kernel_ != nullptr) {
      int32_t product;
      int_kernel_(query_, row, 1, dim_, &product);
      value = static_cast<float>(product);
    } else {
      float_kernel_(query_, row, 1, dim_, &value);
    }
    if (metric_ == Metric::kL2) return value;
    if (metric_ == Metric::kInnerProduct) return -value;
    return cosine_distance(value, query_norm_, norm);
  }
  // Of rows that lie one after the other; `norms` as above, null where they are all 0.
  void to_rows(const std::byte* rows, size_t row_count, const float* norms, float* out);

 private:
  ScalarType type_;
  Metric metric_;
  size_t dim_;
  kernels::IntToRowsFn int_kernel_ = nullptr;
  kernels::FloatToRowsFn float_kernel_ = nullptr;
  const void* query_ = nullptr;
  float query_norm_ = 0;
  std::vector<float> widened_;     // f16 queries
  std::vector<int32_t> products_;  // of integer rows
};

}  // namespace roxanne::index
