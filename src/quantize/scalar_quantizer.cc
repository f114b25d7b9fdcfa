#include "quantize/scalar_quantizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/status_macros.h"
#include "quantize/flat_estimator.h"
#include "quantize/widen.h"

namespace roxanne::quantize {
namespace {

// Codes whose integer results are turned into estimates together.
constexpr size_t kBatchCodes = 256;

// The query as bytes; an estimate is add + scale * (the integers' squared distance or product).
struct ByteQuery {
  std::vector<int8_t> bytes;
  kernels::IntToRowsFn to_rows;
  float add;
  float scale;
};

class ByteQueryEstimator final : public Estimator {
 public:
  explicit ByteQueryEstimator(ByteQuery query) : query_(std::move(query)) {}

  void estimate(const uint8_t* codes, size_t count, float* out) const override {
    const size_t dim = query_.bytes.size();
    int32_t results[kBatchCodes];
    for (size_t first = 0; first < count; first += kBatchCodes) {
      const size_t batch = std::min(kBatchCodes, count - first);
      query_.to_rows(query_.bytes.data(), codes + first * dim, batch, dim, results);
      for (size_t i = 0; i < batch; ++i) out[first + i] = estimate_of(results[i]);
    }
  }

  void estimate_at(const uint8_t* codes, std::span<const uint32_t> slots,
                   float* out) const override {
    const size_t dim = query_.bytes.size();
    const auto at = [&](size_t i) { return codes + slots[i] * dim; };
    for (size_t i = 0; i < slots.size() && i < kFetchAheadCodes; ++i)
      base::prefetch_bytes(at(i), dim);
    for (size_t i = 0; i < slots.size(); ++i) {
      if (i + kFetchAheadCodes < slots.size()) base::prefetch_bytes(at(i + kFetchAheadCodes), dim);
      int32_t result;
      query_.to_rows(query_.bytes.data(), at(i), 1, dim, &result);
      out[i] = estimate_of(result);
    }
  }

  void estimate_blocks(const uint8_t* blocks, size_t block_count, float* out) const override {
    estimate(blocks, block_count * kBlockCodes, out);
  }

 private:
  float estimate_of(int32_t result) const {
    return query_.add + query_.scale * static_cast<float>(result);
  }

  ByteQuery query_;
};

int8_t round_within(float value, int low, int high) {
  return static_cast<int8_t>(
      std::clamp(std::nearbyint(value), static_cast<float>(low), static_cast<float>(high)));
}

}  // namespace

ScalarQuantizer::ScalarQuantizer(size_t dim, Metric metric, const ScalarOptions& options)
    : dim_(dim), metric_(metric), options_(options) {
  ROX_CHECK(options.bits == 7 || options.bits == 8);
}

int8_t ScalarQuantizer::level_of(float coordinate) const {
  return round_within((coordinate - middle_) / step_, level_min(), level_max());
}

double ScalarQuantizer::squared_error(const float* row) const {
  double sum = 0;
  for (size_t d = 0; d < dim_; ++d) {
    const double difference = row[d] - value(level_of(row[d]));
    sum += difference * difference;
  }
  return sum;
}

void ScalarQuantizer::train(MatrixView sample) {
  ROX_CHECK(sample.dim() == dim_);
  ROX_CHECK(sample.rows() > 0);
  std::vector<float> rows(sample.rows() * dim_);
  widen_rows(sample, metric_, rows.data());
  auto [low, high] = std::minmax_element(rows.begin(), rows.end());
  float first = *low, last = *high;
  const bool is_integer = sample.type() == ScalarType::kU8 || sample.type() == ScalarType::kI8;
  if (is_integer && metric_ != Metric::kCosine) {
    first = sample.type() == ScalarType::kU8 ? 0.0f : -128.0f;
    last = first + 255;
  }
  const auto levels = static_cast<float>(level_max() - level_min());
  step_ = last > first ? (last - first) / levels : 1;
  middle_ = first - step_ * static_cast<float>(level_min());
  double error = 0;
  for (size_t r = 0; r < sample.rows(); ++r) error += squared_error(rows.data() + r * dim_);
  distortion_ = static_cast<float>(error / static_cast<double>(sample.rows()));
}

void ScalarQuantizer::encode(MatrixView rows, uint8_t* codes) const {
  ROX_ASSERT(rows.dim() == dim_);
  std::vector<float> wide(kWidenRows * dim_);
  for (size_t first = 0; first < rows.rows(); first += kWidenRows) {
    const size_t count = std::min(kWidenRows, rows.rows() - first);
    widen_rows(rows.slice(first, count), metric_, wide.data());
    uint8_t* to = codes + first * dim_;
    for (size_t i = 0; i < count * dim_; ++i) to[i] = static_cast<uint8_t>(level_of(wide[i]));
  }
}

void ScalarQuantizer::pack_block(const uint8_t* codes, size_t count, uint8_t* block) const {
  std::memcpy(block, codes, count * dim_);
  std::memset(block + count * dim_, 0, (kBlockCodes - count) * dim_);
}

// Under L2 the query is rounded as the rows are, and rounding adds the squared errors of both to
// the mean: they are taken off. A query outside the rows' range is cut to it, which takes off what
// is added here. Under inner product the query has a step of its own; errors there have mean 0.
std::unique_ptr<Estimator> ScalarQuantizer::prepare_query(VectorView query) const {
  ROX_ASSERT(query.dim() == dim_);
  std::vector<float> wide(dim_);
  widen_rows(query, metric_, wide.data());
  ByteQuery result;
  result.bytes.resize(dim_);
  if (metric_ == Metric::kL2) {
    double add = -static_cast<double>(distortion_);
    for (size_t d = 0; d < dim_; ++d) {
      result.bytes[d] = level_of(wide[d]);
      const double error = wide[d] - value(result.bytes[d]);
      add += std::abs(error) <= step_ / 2 ? -error * error : error * error;
    }
    result.to_rows = kernels::kernels().l2_i8;
    result.add = static_cast<float>(add);
    result.scale = step_ * step_;
    return std::make_unique<ByteQueryEstimator>(std::move(result));
  }
  float largest = 0;
  double sum = 0;
  for (const float coordinate : wide) {
    largest = std::max(largest, std::abs(coordinate));
    sum += coordinate;
  }
  const float query_step = largest > 0 ? largest / 127 : 1;
  for (size_t d = 0; d < dim_; ++d) {
    result.bytes[d] = round_within(wide[d] / query_step, -127, 127);
  }
  result.to_rows = kernels::kernels().dot_i8;
  result.add = static_cast<float>(-middle_ * sum) + (metric_ == Metric::kCosine ? 1.0f : 0.0f);
  result.scale = -step_ * query_step;
  return std::make_unique<ByteQueryEstimator>(std::move(result));
}

}  // namespace roxanne::quantize
