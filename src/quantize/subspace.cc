#include "quantize/subspace.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/aligned_buffer.h"
#include "kernels/distance.h"
#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

// Rounds of subspace iteration: the directions need not be exact, only hold the energy.
constexpr size_t kRounds = 6;
constexpr size_t kProductsTogether = 256;
constexpr size_t kDirectionsMax = 512;  // looked for by iteration; more means all, at random

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

void random_rows(Random& random, std::vector<float>& rows) {
  for (float& value : rows) value = random.gaussian();
}

// Writes round(values / scale) and returns the scale, the least that keeps all in [-127, 127].
float to_bytes(const float* values, size_t count, int8_t* bytes) {
  float most = 0;
  for (size_t i = 0; i < count; ++i) most = std::max(most, std::fabs(values[i]));
  const float per_scale = most > 0 ? 127 / most : 0;
  for (size_t i = 0; i < count; ++i) {
    const float scaled = values[i] * per_scale;
    bytes[i] = static_cast<int8_t>(static_cast<int32_t>(scaled + (scaled < 0 ? -0.5f : 0.5f)));
  }
  return most / 127;
}

// Makes `count` rows of `dim` floats orthonormal (Gram-Schmidt, twice for precision).
void make_orthonormal(std::vector<float>& rows, size_t count, size_t dim) {
  const auto& table = kernels::kernels();
  std::vector<float> dots(count);
  for (size_t i = 0; i < count; ++i) {
    float* row = rows.data() + i * dim;
    for (int pass = 0; pass < 2; ++pass) {
      table.dot_f32(row, rows.data(), i, dim, dots.data());
      for (size_t j = 0; j < i; ++j) {
        const float* other = rows.data() + j * dim;
        for (size_t d = 0; d < dim; ++d) row[d] -= dots[j] * other[d];
      }
    }
    float norm = 0;
    table.dot_f32(row, row, 1, dim, &norm);
    const float scale = norm > 0 ? 1 / std::sqrt(norm) : 0;
    for (size_t d = 0; d < dim; ++d) row[d] *= scale;
  }
}

// differences' * differences, dim x dim; symmetric.
std::vector<float> covariance(const float* differences, size_t count, size_t dim) {
  std::vector<float> columns(dim * count);
  for (size_t i = 0; i < count; ++i) {
    for (size_t d = 0; d < dim; ++d) columns[d * count + i] = differences[i * dim + d];
  }
  const auto& panel = kernels::kernels().panel_f32;
  const size_t stride = panel.panel_rows;
  base::AlignedBuffer packed(panel.panel_bytes(count));
  base::AlignedBuffer prepared(panel.prepared_bytes(dim, count));
  base::AlignedBuffer tile(kernels::kQueryGroup * stride * sizeof(float));
  auto* const products = reinterpret_cast<float*>(tile.data());
  panel.prepare(columns.data(), dim, count, prepared.data());
  std::vector<float> result(dim * dim);
  for (size_t r = 0; r < dim; r += stride) {
    const size_t rows = std::min(stride, dim - r);
    panel.pack(columns.data() + r * count, rows, count, packed.data());
    for (size_t q = 0; q < dim; q += kernels::kQueryGroup) {
      const size_t queries = std::min(kernels::kQueryGroup, dim - q);
      panel.dot(packed.data(), prepared.data(), q, queries, count, products, stride);
      for (size_t i = 0; i < queries; ++i) {
        std::copy_n(products + i * stride, rows,
                    result.begin() + static_cast<ptrdiff_t>((q + i) * dim + r));
      }
    }
  }
  return result;
}

// rows * matrix, where the matrix is symmetric.
std::vector<float> times(const std::vector<float>& rows, size_t count,
                         const std::vector<float>& matrix, size_t dim) {
  std::vector<float> result(count * dim);
  for (size_t i = 0; i < count; ++i) {
    kernels::kernels().dot_f32(rows.data() + i * dim, matrix.data(), dim, dim,
                               result.data() + i * dim);
  }
  return result;
}

// The leading directions, most energy first, as many as hold `energy` of it.
std::vector<float> leading_directions(const float* differences, size_t count, size_t dim,
                                      const SubspaceOptions& options, Random& random) {
  const size_t looked_for = std::min(dim, kDirectionsMax);
  const std::vector<float> matrix = covariance(differences, count, dim);
  std::vector<float> rows(looked_for * dim);
  random_rows(random, rows);
  make_orthonormal(rows, looked_for, dim);
  for (size_t round = 0; round < kRounds; ++round) {
    rows = times(rows, looked_for, matrix, dim);
    make_orthonormal(rows, looked_for, dim);
  }
  const std::vector<float> moved = times(rows, looked_for, matrix, dim);
  std::vector<float> energies(looked_for);
  for (size_t i = 0; i < looked_for; ++i) {
    kernels::kernels().dot_f32(rows.data() + i * dim, moved.data() + i * dim, 1, dim, &energies[i]);
  }
  std::vector<size_t> order(looked_for);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return energies[a] > energies[b]; });
  float total = 0;
  for (size_t d = 0; d < dim; ++d) total += matrix[d * dim + d];
  size_t kept = 0;
  float sum = 0;
  while (kept < looked_for && (kept < options.dim_min || sum < options.energy * total)) {
    sum += energies[order[kept++]];
  }
  std::vector<float> leading;
  for (size_t i = 0; i < kept; ++i) {
    const float* row = rows.data() + order[i] * dim;
    leading.insert(leading.end(), row, row + dim);
  }
  // Too little of it in so few: all directions are as good as these.
  if (sum < options.energy * total) leading.clear();
  return leading;
}

}  // namespace

Subspace::Subspace(std::vector<float> basis, size_t input_dim)
    : basis_(std::move(basis)), input_dim_(input_dim), byte_basis_(basis_.size()) {
  for (size_t i = 0; i < basis_.size(); i += input_dim_) {
    row_scales_.push_back(to_bytes(basis_.data() + i, input_dim_, byte_basis_.data() + i));
  }
}

Subspace Subspace::train(const float* differences, size_t count, size_t dim,
                         const SubspaceOptions& options) {
  Random random(options.seed);
  std::vector<float> leading;
  if (dim > options.dim_min) {
    leading = leading_directions(differences, count, dim, options, random);
  }
  size_t kept = leading.size() / dim;
  std::vector<float> rotation;
  if (kept == 0) {
    kept = std::min(dim, options.dim_max);
    leading.resize(kept * dim);
    random_rows(random, leading);
    make_orthonormal(leading, kept, dim);
  } else {
    // A rotation within: rows of a random orthonormal matrix times the directions.
    rotation.resize(kept * kept);
    random_rows(random, rotation);
    make_orthonormal(rotation, kept, kept);
    std::vector<float> columns(dim * kept);
    for (size_t i = 0; i < kept; ++i) {
      for (size_t d = 0; d < dim; ++d) columns[d * kept + i] = leading[i * dim + d];
    }
    for (size_t i = 0; i < kept; ++i) {
      kernels::kernels().dot_f32(rotation.data() + i * kept, columns.data(), dim, kept,
                                 leading.data() + i * dim);
    }
  }
  leading.resize(round_up(kept, kernels::kResidualStep) * dim, 0.0f);
  return {std::move(leading), dim};
}

void Subspace::project(const float* vector, float* out) const {
  kernels::kernels().dot_f32(vector, basis_.data(), dim(), input_dim_, out);
}

void Subspace::project_query(const float* vector, std::vector<int8_t>& bytes, float* out) const {
  bytes.resize(input_dim_);
  const float scale = to_bytes(vector, input_dim_, bytes.data());
  int32_t products[kProductsTogether];
  for (size_t first = 0; first < dim(); first += kProductsTogether) {
    const size_t count = std::min(kProductsTogether, dim() - first);
    kernels::kernels().dot_i8(bytes.data(), byte_basis_.data() + first * input_dim_, count,
                              input_dim_, products);
    for (size_t i = 0; i < count; ++i) {
      out[first + i] = static_cast<float>(products[i]) * scale * row_scales_[first + i];
    }
  }
}

}  // namespace roxanne::quantize
