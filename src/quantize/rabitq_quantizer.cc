#include "quantize/rabitq_quantizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/coding.h"
#include "base/status_macros.h"
#include "quantize/bit_query.h"
#include "quantize/flat_estimator.h"
#include "quantize/nibble_tables.h"
#include "quantize/rabitq_levels.h"
#include "quantize/widen.h"

namespace roxanne::quantize {
namespace {

constexpr size_t kTableDims = 4;  // coordinates that a nibble of a plane holds

// What follows the planes.
struct Factors {
  float add = 0;
  float scale = 0;
  float error = 0;
};

double dot(const float* a, const float* b, size_t dim) {
  double sum = 0;
  for (size_t i = 0; i < dim; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// Bit `bit` of eight values, the first of them lowest.
uint8_t gather_bits(const uint8_t* values, size_t bit) {
  uint64_t bytes;
  std::memcpy(&bytes, values, sizeof bytes);
  // Bit 8j of the product's left factor comes to bit 56 + j.
  return static_cast<uint8_t>(((bytes >> bit) & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}

// All sums of each kTableDims coordinates of a rotated query.
NibbleTables make_tables(const std::vector<float>& query) {
  const size_t table_count = query.size() / kTableDims;
  std::vector<float> tables(table_count * kNibbleValues);
  for (size_t t = 0; t < table_count; ++t) {
    float* table = tables.data() + t * kNibbleValues;
    for (size_t d = 0; d < kTableDims; ++d) {
      const size_t bit = size_t{1} << d;
      for (size_t n = 0; n < bit; ++n) table[bit + n] = table[n] + query[t * kTableDims + d];
    }
  }
  return NibbleTables(tables.data(), table_count);
}

}  // namespace

// A query less the centre.
struct RabitqQuantizer::QueryResidual {
  std::vector<float> rotated;
  float add;   // what every estimate has of the query alone
  float norm;  // |q - c|
  float sum;   // of the rotated coordinates
};

// Encodes one row after the other; its buffers are used again.
class RabitqQuantizer::RowEncoder {
 public:
  explicit RowEncoder(const RabitqQuantizer& quantizer)
      : quantizer_(quantizer),
        level_bits_(quantizer.options_.bits - 1),
        residual_(quantizer.dim()),
        rotated_(quantizer.rotation_.padded_dim()),
        magnitudes_(rotated_.size()),
        values_(rotated_.size()) {}

  void encode(const float* row, uint8_t* code) {
    const float* centre = quantizer_.centre_.data();
    for (size_t i = 0; i < residual_.size(); ++i) residual_[i] = row[i] - centre[i];
    quantizer_.rotation_.apply(residual_.data(), rotated_.data());
    const double norm = std::sqrt(dot(rotated_.data(), rotated_.data(), rotated_.size()));
    write_values(norm);
    write_planes(code);
    const Factors factors = make_factors(norm);
    std::memcpy(code + quantizer_.planes_bytes(), &factors,
                quantizer_.factor_count() * sizeof(float));
  }

 private:
  // The digits of each coordinate, signs in the highest bit.
  void write_values(double norm) {
    if (level_bits_ != 0 && norm > 0) {
      const auto to_unit = static_cast<float>(1 / norm);
      for (size_t i = 0; i < rotated_.size(); ++i) magnitudes_[i] = std::abs(rotated_[i]) * to_unit;
      const bool is_best = quantizer_.options_.encoding == RabitqOptions::Encoding::kBestScale;
      const float scale = is_best ? best_scale(magnitudes_, level_bits_)
                                  : near_scale(magnitudes_, quantizer_.scale_, level_bits_);
      write_levels(magnitudes_, scale, level_bits_, values_.data());
    } else {
      std::fill(values_.begin(), values_.end(), uint8_t{0});
    }
    const auto top = static_cast<uint8_t>(1u << level_bits_);
    for (size_t i = 0; i < rotated_.size(); ++i) {
      const int level = values_[i];
      values_[i] = static_cast<uint8_t>(rotated_[i] >= 0 ? top + level : top - 1 - level);
    }
  }

  void write_planes(uint8_t* code) const {
    for (size_t p = 0; p <= level_bits_; ++p) {
      uint8_t* plane = code + p * quantizer_.plane_bytes();
      for (size_t b = 0; b < quantizer_.plane_bytes(); ++b) {
        plane[b] = gather_bits(values_.data() + b * 8, level_bits_ - p);
      }
    }
  }

  // The code stands for z, the values less their middle: <r, x> is estimated as
  // |r|^2 / <r, z> * <z, x>, which a random rotation makes unbiased.
  Factors make_factors(double norm) const {
    const double middle = (static_cast<double>(2u << level_bits_) - 1) / 2;
    double along = 0, length = 0;  // <r, z>, |z|^2
    for (size_t i = 0; i < rotated_.size(); ++i) {
      const double z = values_[i] - middle;
      along += z * rotated_[i];
      length += z * z;
    }
    const bool is_l2 = quantizer_.metric_ == Metric::kL2;
    const double square = norm * norm;
    Factors factors;
    factors.add = static_cast<float>(
        is_l2 ? square : -dot(residual_.data(), quantizer_.centre_.data(), residual_.size()));
    if (along <= 0) return factors;  // the row is the centre
    const double ratio = square / along;
    // A confidence of about 95 % (Gao, Long, section 3.2.2).
    constexpr double kEpsilon = 1.9;
    const double spread = std::max(0.0, square * length / (along * along) - 1) /
                          static_cast<double>(rotated_.size() - 1);
    factors.scale = static_cast<float>(is_l2 ? -2 * ratio : -ratio);
    factors.error = static_cast<float>((is_l2 ? 2 : 1) * kEpsilon * norm * std::sqrt(spread));
    return factors;
  }

  const RabitqQuantizer& quantizer_;
  size_t level_bits_;
  std::vector<float> residual_, rotated_, magnitudes_;
  std::vector<uint8_t> values_;
};

// The centre is taken off the query as it is off the rows. So look-up tables and rounded queries
// span only what queries and rows differ in, and the estimate is
//   L2:             |r|^2 + |q - c|^2 - 2 <r, q - c>
//   inner product:  -<r, c> - <q, c> - <r, q - c>
class RabitqQuantizer::QueryEstimator final
    : public FlatEstimator<QueryEstimator, RabitqEstimator> {
 public:
  QueryEstimator(const RabitqQuantizer& quantizer, const QueryResidual& residual)
      : plane_count_(quantizer.options_.bits),
        planes_bytes_(quantizer.planes_bytes()),
        factor_count_(quantizer.factor_count()),
        middle_((static_cast<float>(1u << plane_count_) - 1) / 2),
        add_(residual.add),
        norm_(residual.norm),
        sum_(residual.sum),
        tables_(make_tables(residual.rotated)),
        bits_(residual.rotated.data(), residual.rotated.size()) {}

  size_t code_bytes() const { return planes_bytes_ + factor_count_ * sizeof(float); }

  float one(const uint8_t* code) const {
    const uint8_t* factors = code + planes_bytes_;
    const float product = bits_.dot(code, plane_count_) - middle_ * bits_.sum();
    return base::load<float>(factors) + add_ + base::load<float>(factors + sizeof(float)) * product;
  }

  void estimate_blocks(const uint8_t* blocks, size_t block_count, float* out) const override {
    const float values_sum = static_cast<float>((1u << plane_count_) - 1);
    const float least = tables_.offset() * values_sum - middle_ * sum_;
    for (size_t b = 0; b < block_count; ++b) {
      const uint8_t* block = blocks + b * kBlockCodes * code_bytes();
      uint32_t totals[kBlockCodes] = {};
      for (size_t p = 0; p < plane_count_; ++p) {
        tables_.add_block(block + p * tables_.code_bytes() * kBlockCodes,
                          static_cast<unsigned>(plane_count_ - 1 - p), totals);
      }
      float add[kBlockCodes], scale[kBlockCodes];
      const uint8_t* factors = block + planes_bytes_ * kBlockCodes;
      std::memcpy(add, factors, sizeof add);
      std::memcpy(scale, factors + sizeof add, sizeof scale);
      float* to = out + b * kBlockCodes;
      for (size_t i = 0; i < kBlockCodes; ++i) {
        // Signed conversions are the ones that vector registers have; totals are far below 2^31.
        const auto steps = static_cast<float>(static_cast<int32_t>(totals[i]));
        to[i] = add[i] + add_ + scale[i] * (steps * tables_.step() + least);
      }
    }
  }

  void error_bounds(const uint8_t* codes, size_t count, float* out) const override {
    ROX_CHECK(factor_count_ == 3);
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* error = codes + (i + 1) * code_bytes() - sizeof(float);
      out[i] = base::load<float>(error) * norm_;
    }
  }

 private:
  size_t plane_count_, planes_bytes_, factor_count_;
  float middle_;            // of the values that the bits can stand for
  float add_, norm_, sum_;  // as in QueryResidual
  NibbleTables tables_;
  BitQuery bits_;
};

RabitqQuantizer::RabitqQuantizer(size_t dim, Metric metric, const RabitqOptions& options)
    : metric_(metric), options_(options), rotation_(dim, options.seed), scale_(0), centre_(dim) {
  ROX_CHECK(options.bits >= 1);
  ROX_CHECK(options.bits <= kLevelBitsMax + 1);
  if (options.bits > 1) {
    scale_ = typical_scale(rotation_.padded_dim(), options.bits - 1, options.seed);
  }
}

size_t RabitqQuantizer::code_bytes_of(size_t dim, const RabitqOptions& options) {
  return options.bits * Rotation::padded(dim) / 8 + factor_count_of(options) * sizeof(float);
}

void RabitqQuantizer::train(MatrixView sample) {
  ROX_CHECK(sample.dim() == dim());
  ROX_CHECK(sample.rows() > 0);
  std::vector<double> sums(dim());
  std::vector<float> rows(kWidenRows * dim());
  for (size_t first = 0; first < sample.rows(); first += kWidenRows) {
    const size_t count = std::min(kWidenRows, sample.rows() - first);
    widen_rows(sample.slice(first, count), metric_, rows.data());
    for (size_t i = 0; i < count * dim(); ++i) sums[i % dim()] += rows[i];
  }
  for (size_t d = 0; d < dim(); ++d) {
    centre_[d] = static_cast<float>(sums[d] / static_cast<double>(sample.rows()));
  }
}

void RabitqQuantizer::encode(MatrixView rows, uint8_t* codes) const {
  ROX_ASSERT(rows.dim() == dim());
  RowEncoder encoder(*this);
  std::vector<float> wide(kWidenRows * dim());
  for (size_t first = 0; first < rows.rows(); first += kWidenRows) {
    const size_t count = std::min(kWidenRows, rows.rows() - first);
    widen_rows(rows.slice(first, count), metric_, wide.data());
    for (size_t i = 0; i < count; ++i) {
      encoder.encode(wide.data() + i * dim(), codes + (first + i) * code_bytes());
    }
  }
}

void RabitqQuantizer::pack_block(const uint8_t* codes, size_t count, uint8_t* block) const {
  transpose_codes(codes, count, code_bytes(), planes_bytes(), block);
  uint8_t* factors = block + planes_bytes() * kBlockCodes;
  for (size_t f = 0; f < factor_count(); ++f) {
    for (size_t i = 0; i < kBlockCodes; ++i) {
      float factor = 0;
      if (i < count) {
        factor = base::load<float>(codes + i * code_bytes() + planes_bytes() + f * sizeof(float));
      }
      std::memcpy(factors + (f * kBlockCodes + i) * sizeof(float), &factor, sizeof factor);
    }
  }
}

RabitqQuantizer::QueryResidual RabitqQuantizer::residual_of(const std::vector<float>& query) const {
  std::vector<float> residual(query.size());
  for (size_t i = 0; i < query.size(); ++i) residual[i] = query[i] - centre_[i];
  const double square = dot(residual.data(), residual.data(), residual.size());
  double add = square;
  if (metric_ != Metric::kL2) add = -dot(query.data(), centre_.data(), query.size());
  if (metric_ == Metric::kCosine) add += 1;
  std::vector<float> rotated(rotation_.padded_dim());
  rotation_.apply(residual.data(), rotated.data());
  double sum = 0;
  for (const float coordinate : rotated) sum += coordinate;
  return {std::move(rotated), static_cast<float>(add), static_cast<float>(std::sqrt(square)),
          static_cast<float>(sum)};
}

std::unique_ptr<RabitqEstimator> RabitqQuantizer::prepare_bounded_query(VectorView query) const {
  ROX_ASSERT(query.dim() == dim());
  std::vector<float> wide(dim());
  widen_rows(query, metric_, wide.data());
  return std::make_unique<QueryEstimator>(*this, residual_of(wide));
}

std::unique_ptr<Estimator> RabitqQuantizer::prepare_query(VectorView query) const {
  return prepare_bounded_query(query);
}

}  // namespace roxanne::quantize
