#include "quantize/residual_code.h"

#include <algorithm>
#include <cmath>

#include "base/status_macros.h"

namespace roxanne::quantize {
namespace {

constexpr size_t kTableValues = 16;
constexpr size_t kTableCoordinates = 4;

// The step of the uniform quantizer of a Gaussian of variance 1 with 2^bits levels that loses least
// (Max, IRE Trans. IT-6, 1960).
constexpr float kGrid[kernels::kResidualBitsMax + 1] = {0, 1.596f, 0.9957f, 0.586f, 0.3352f};

}  // namespace

ResidualEncoder::ResidualEncoder(size_t dim, size_t bits)
    : dim_(dim), bits_(bits), grid_(kGrid[bits]), planes_(bits * dim / 8) {
  ROX_CHECK(dim % kernels::kResidualStep == 0);
}

void ResidualEncoder::encode(const float* node, const float* neighbour, const Term& term,
                             size_t place, uint8_t* block, float* adds, float* scales) {
  kernels::ResidualSums sums;
  kernels::kernels().encode_residual(node, neighbour, dim_, bits_, grid_, planes_.data(), &sums);
  for (size_t i = 0; i < planes_.size(); ++i) {
    block[i * kernels::kNeighbourBlock + place] = planes_[i];
  }
  const float fit = sums.dot_residual > 0 ? sums.squared_norm / sums.dot_residual : 0;
  scales[place] = -term.factor * fit;
  adds[place] = term.constant + term.factor * fit * sums.dot_centre;
}

ResidualQuery::ResidualQuery(size_t dim, size_t bits)
    : dim_(dim),
      bits_(bits),
      tables_(dim / kTableCoordinates * kTableValues),
      estimate_{reinterpret_cast<const uint8_t*>(tables_.data()), dim / kTableCoordinates, bits, 0,
                0} {}

void ResidualQuery::prepare(const float* projected) {
  const size_t table_count = dim_ / kTableCoordinates;
  auto* tables = reinterpret_cast<uint8_t*>(tables_.data());
  float widest = 0;
  float sum = 0;
  float least_sum = 0;
  for (size_t t = 0; t < table_count; ++t) {
    const float* x = projected + t * kTableCoordinates;
    const float width = std::fabs(x[0]) + std::fabs(x[1]) + std::fabs(x[2]) + std::fabs(x[3]);
    widest = std::max(widest, width);
    sum += (x[0] + x[1]) + (x[2] + x[3]);
    least_sum += (std::min(x[0], 0.0f) + std::min(x[1], 0.0f)) +
                 (std::min(x[2], 0.0f) + std::min(x[3], 0.0f));
  }
  const float steps = widest > 0 ? 255 / widest : 0;
  for (size_t t = 0; t < table_count; ++t) {
    const float* x = projected + t * kTableCoordinates;
    // Entry e is the sum of the coordinates whose bits e has, less the least of such sums.
    alignas(64) float values[kTableValues];
    const float least = (std::min(x[0], 0.0f) + std::min(x[1], 0.0f)) +
                        (std::min(x[2], 0.0f) + std::min(x[3], 0.0f));
    values[0] = 0.5f - least * steps;
    for (size_t bit = 0; bit < kTableCoordinates; ++bit) {
      const size_t size = size_t{1} << bit;
      for (size_t e = 0; e < size; ++e) values[size + e] = values[e] + x[bit] * steps;
    }
    for (size_t e = 0; e < kTableValues; ++e) {
      tables[t * kTableValues + e] =
          static_cast<uint8_t>(std::min(std::max(static_cast<int32_t>(values[e]), 0), 255));
    }
  }
  // <z, q'> = <u, q'> - (2^B - 1)/2 * sum(q'), and every plane's sum lacks the least values.
  const float planes = static_cast<float>((1u << bits_) - 1);
  estimate_.step = widest / 255;
  estimate_.offset = planes * (least_sum - sum / 2);
}

}  // namespace roxanne::quantize
