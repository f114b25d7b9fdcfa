// Rows of any scalar type as floats.
#pragma once

#include "roxanne/types.h"

namespace roxanne::kernels {

// Writes rows.rows() * rows.dim() floats. Rows may lie at any address.
void widen_rows(MatrixView rows, float* out);

}  // namespace roxanne::kernels
