#include "index/search_space.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "quantize/widen.h"

namespace roxanne::index {
namespace {

double squared_norm(const float* row, size_t dim) {
  double sum = 0;
  for (size_t d = 0; d < dim; ++d) sum += static_cast<double>(row[d]) * row[d];
  return sum;
}

}  // namespace

SearchSpace::SearchSpace(Metric metric, std::vector<float> origin, float scale, float greatest_norm)
    : metric_(metric), origin_(std::move(origin)), scale_(scale), greatest_norm_(greatest_norm) {}

SearchSpace SearchSpace::of_sample(MatrixView sample, Metric metric) {
  const size_t dim = sample.dim();
  std::vector<float> row(dim);
  std::vector<double> sums(dim);
  double squares = 0;
  double greatest = 0;
  for (size_t i = 0; i < sample.rows(); ++i) {
    quantize::widen_rows(sample.slice(i, 1), metric, row.data());
    for (size_t d = 0; d < dim; ++d) sums[d] += row[d];
    const double norm = squared_norm(row.data(), dim);
    squares += norm;
    greatest = std::max(greatest, norm);
  }
  const auto count = static_cast<double>(sample.rows());
  std::vector<float> origin(dim);
  for (size_t d = 0; d < dim; ++d) origin[d] = static_cast<float>(sums[d] / count);
  // The mean of |x - origin|^2. The scale stays where floats have room above and below.
  const double spread = squares / count - squared_norm(origin.data(), dim);
  const double scale = spread > 0 ? std::clamp(1 / std::sqrt(spread), 1e-15, 1e15) : 1;
  return {metric, std::move(origin), static_cast<float>(scale),
          metric == Metric::kInnerProduct ? static_cast<float>(std::sqrt(greatest)) : 0.0f};
}

void SearchSpace::map_rows(MatrixView rows, float* out, float* offsets) const {
  const size_t dim = rows.dim();
  quantize::widen_rows(rows, metric_, out);
  for (size_t i = 0; i < rows.rows(); ++i) {
    float* row = out + i * dim;
    if (offsets != nullptr) {
      const double most = static_cast<double>(greatest_norm_) * greatest_norm_;
      const double squared_scale = static_cast<double>(scale_) * scale_;
      offsets[i] = metric_ == Metric::kInnerProduct
                       ? static_cast<float>((most - squared_norm(row, dim)) * squared_scale)
                       : 0.0f;
    }
    for (size_t d = 0; d < dim; ++d) row[d] = (row[d] - origin_[d]) * scale_;
  }
}

void SearchSpace::map_query(VectorView query, Query& out) const {
  const size_t dim = query.dim();
  out.place_.resize(dim);
  quantize::widen_rows(query, metric_, out.place_.data());
  const float squared_scale = scale_ * scale_;
  float stretch = 1;
  out.add_ = 0;
  out.multiply_ = metric_ == Metric::kCosine ? 2 * squared_scale : squared_scale;
  if (metric_ == Metric::kInnerProduct) {
    const double norm = std::sqrt(squared_norm(out.place_.data(), dim));
    if (norm > 0 && greatest_norm_ > 0) stretch = static_cast<float>(greatest_norm_ / norm);
    const double most = norm > 0 ? greatest_norm_ : 0;
    out.add_ = static_cast<float>(
        (most * most + static_cast<double>(greatest_norm_) * greatest_norm_) * squared_scale);
    out.multiply_ = 2 * stretch * squared_scale;
  }
  for (size_t d = 0; d < dim; ++d) {
    out.place_[d] = (out.place_[d] * stretch - origin_[d]) * scale_;
  }
}

}  // namespace roxanne::index
