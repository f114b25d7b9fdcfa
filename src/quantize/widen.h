// Rows of any scalar type as floats, ready for a metric.
#pragma once

#include "roxanne/types.h"

namespace roxanne::quantize {

// Rows that encoders widen at a time, so that the floats stay in the cache.
inline constexpr size_t kWidenRows = 64;

// Writes rows.rows() * rows.dim() floats. Under cosine each row is divided by its norm, after which
// cosine distance is one minus the inner product.
void widen_rows(MatrixView rows, Metric metric, float* out);

}  // namespace roxanne::quantize
