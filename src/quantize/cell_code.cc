#include "quantize/cell_code.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/status_macros.h"

namespace roxanne::quantize {
namespace {

// Vectors outside the sample may need more than it did.
constexpr float kAddHeadroom = 2;

}  // namespace

CellCode::CellCode(size_t dim, const CellCodeShape& shape) : dim_(dim), shape_(shape) {
  ROX_CHECK(shape.is_valid(dim));
  if (is_of_levels()) {
    levels_ = LevelCodebook(dim);
  } else {
    product_ = ProductCodebook(dim, shape.name_bytes);
  }
}

void CellCode::train(const Sample& sample, uint64_t seed, base::ThreadPool& pool,
                     size_t thread_count) {
  if (is_of_levels()) {
    levels_.train(sample.residuals, sample.count);
  } else {
    product_.train(sample.residuals, sample.count, seed, pool, thread_count);
  }
  float greatest = 0;
  std::vector<float> decoded(dim_);
  std::vector<uint8_t> code(code_bytes());
  for (size_t i = 0; i < sample.count; ++i) {
    const float add =
        name(sample.residuals + i * dim_, sample.centroids + i * dim_, decoded.data(), code.data());
    greatest = std::max(greatest, std::abs(add + sample.extras[i]));
  }
  add_step_ = greatest > 0 ? kAddHeadroom * greatest / std::numeric_limits<int16_t>::max() : 1;
}

void CellCode::restore(std::vector<float> codebook, float add_step) {
  if (is_of_levels()) {
    levels_.restore(std::move(codebook));
  } else {
    product_.restore(std::move(codebook));
  }
  add_step_ = add_step;
}

// Writes the names, and what they stand for; returns |r|^2 + 2 <c, r>.
float CellCode::name(const float* residual, const float* centroid, float* decoded,
                     uint8_t* code) const {
  if (is_of_levels()) {
    levels_.name(residual, code);
  } else {
    product_.name(residual, code);
  }
  decode(code, decoded);
  float add = 0;
  for (size_t d = 0; d < dim_; ++d) add += decoded[d] * (decoded[d] + 2 * centroid[d]);
  return add;
}

void CellCode::encode(const float* residual, const float* centroid, float extra, uint8_t* code,
                      float* decoded) const {
  constexpr float kMost = kVacant - 1;
  const float steps = (name(residual, centroid, decoded, code) + extra) / add_step_;
  const auto add = static_cast<int16_t>(std::lround(std::clamp(steps, -kMost, kMost)));
  std::memcpy(code + shape_.name_bytes, &add, sizeof add);
}

void CellCode::Query::prepare(const CellCode& code, const float* query) {
  code_ = &code;
  if (code.is_of_levels()) {
    levels_.prepare(code.levels_, query);
  } else {
    product_.prepare(code.product_, query);
  }
}

}  // namespace roxanne::quantize
