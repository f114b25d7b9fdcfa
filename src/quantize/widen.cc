#include "quantize/widen.h"

#include <cmath>
#include <cstddef>

#include "kernels/widen.h"

namespace roxanne::quantize {
namespace {

void normalise(size_t row_count, size_t dim, float* rows) {
  for (size_t r = 0; r < row_count; ++r) {
    float* row = rows + r * dim;
    double norm = 0;
    for (size_t i = 0; i < dim; ++i) norm += static_cast<double>(row[i]) * row[i];
    if (norm == 0) continue;
    const auto scale = static_cast<float>(1 / std::sqrt(norm));
    for (size_t i = 0; i < dim; ++i) row[i] *= scale;
  }
}

}  // namespace

void widen_rows(MatrixView rows, Metric metric, float* out) {
  kernels::widen_rows(rows, out);
  if (metric == Metric::kCosine) normalise(rows.rows(), rows.dim(), out);
}

}  // namespace roxanne::quantize
