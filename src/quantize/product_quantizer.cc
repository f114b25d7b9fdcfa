#include "quantize/product_quantizer.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/status_macros.h"
#include "quantize/flat_estimator.h"
#include "quantize/nibble_tables.h"
#include "quantize/widen.h"

namespace roxanne::quantize {
namespace {

// Rows that are encoded part by part: a part's centroids then serve many rows from the cache.
constexpr size_t kEncodeRows = 8 * kWidenRows;

std::vector<float> cut_part(const std::vector<float>& rows, size_t row_count, size_t dim,
                            size_t first, size_t part_dim) {
  std::vector<float> part(row_count * part_dim);
  for (size_t r = 0; r < row_count; ++r) {
    std::copy_n(rows.data() + r * dim + first, part_dim, part.data() + r * part_dim);
  }
  return part;
}

// One byte a part: its number of a table of 256 floats.
class ByteEstimator final : public FlatEstimator<ByteEstimator> {
 public:
  ByteEstimator(std::vector<float> tables, float bias) : tables_(std::move(tables)), bias_(bias) {}

  size_t code_bytes() const { return tables_.size() / kValues; }

  float one(const uint8_t* code) const {
    // Four sums, so that additions need not wait for each other.
    float sums[4] = {};
    const float* table = tables_.data();
    const size_t count = code_bytes();
    size_t i = 0;
    for (; i + 4 <= count; i += 4, table += 4 * kValues) {
      for (size_t s = 0; s < 4; ++s) sums[s] += table[s * kValues + code[i + s]];
    }
    for (; i < count; ++i, table += kValues) sums[0] += table[code[i]];
    return bias_ + ((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }

  void estimate_blocks(const uint8_t* blocks, size_t block_count, float* out) const override {
    estimate(blocks, block_count * kBlockCodes, out);
  }

 private:
  static constexpr size_t kValues = 256;
  std::vector<float> tables_;
  float bias_;
};

class NibbleEstimator final : public FlatEstimator<NibbleEstimator> {
 public:
  NibbleEstimator(const std::vector<float>& tables, float bias)
      : tables_(tables.data(), tables.size() / kNibbleValues), add_(bias + tables_.offset()) {}

  size_t code_bytes() const { return tables_.code_bytes(); }

  float one(const uint8_t* code) const { return estimate_of(tables_.steps(code)); }

  void estimate_blocks(const uint8_t* blocks, size_t block_count, float* out) const override {
    for (size_t b = 0; b < block_count; ++b) {
      uint32_t totals[kBlockCodes] = {};
      tables_.add_block(blocks + b * kBlockCodes * code_bytes(), 0, totals);
      for (size_t i = 0; i < kBlockCodes; ++i) out[b * kBlockCodes + i] = estimate_of(totals[i]);
    }
  }

 private:
  // Signed conversions are the ones that vector registers have; totals are far below 2^31.
  float estimate_of(uint32_t steps) const {
    return add_ + tables_.step() * static_cast<float>(static_cast<int32_t>(steps));
  }

  NibbleTables tables_;
  float add_;
};

}  // namespace

ProductQuantizer::ProductQuantizer(size_t dim, Metric metric, const ProductOptions& options)
    : dim_(dim), metric_(metric), options_(options), parts_(options.part_count) {
  ROX_CHECK(options.bits == 4 || options.bits == 8);
  ROX_CHECK(options.part_count >= 1);
  ROX_CHECK(options.part_count <= dim);
  ROX_CHECK(options.bits == 8 || options.part_count % 2 == 0);
  for (size_t p = 0; p < parts_.size(); ++p) {
    parts_[p].first = p * dim / parts_.size();
    parts_[p].dim = (p + 1) * dim / parts_.size() - parts_[p].first;
  }
}

void ProductQuantizer::train(MatrixView sample) {
  ROX_CHECK(sample.dim() == dim_);
  ROX_CHECK(sample.rows() > 0);
  std::vector<float> rows(sample.rows() * dim_);
  widen_rows(sample, metric_, rows.data());
  nearest_.clear();
  double distortion = 0;
  std::vector<uint32_t> numbers(sample.rows());
  std::vector<float> distances(sample.rows());
  for (size_t p = 0; p < parts_.size(); ++p) {
    Part& part = parts_[p];
    const std::vector<float> points = cut_part(rows, sample.rows(), dim_, part.first, part.dim);
    KmeansOptions options;
    options.cluster_count = centroid_count();
    options.seed = options_.seed + p;
    part.centroids = kmeans(points.data(), sample.rows(), part.dim, options);
    nearest_.emplace_back(part.centroids.data(), centroid_count(), part.dim);
    nearest_.back().assign(points.data(), sample.rows(), numbers.data(), distances.data());
    distortion += std::accumulate(distances.begin(), distances.end(), 0.0);
  }
  bias_ = 0;
  if (metric_ == Metric::kL2) {
    bias_ = static_cast<float>(distortion / static_cast<double>(sample.rows()));
  }
  if (metric_ == Metric::kCosine) bias_ = 1;
}

void ProductQuantizer::encode(MatrixView rows, uint8_t* codes) const {
  ROX_ASSERT(rows.dim() == dim_);
  ROX_ASSERT(nearest_.size() == parts_.size());
  std::vector<float> wide(kEncodeRows * dim_);
  std::vector<uint32_t> numbers(kEncodeRows);
  if (options_.bits == 4) std::memset(codes, 0, rows.rows() * code_bytes());
  for (size_t first = 0; first < rows.rows(); first += kEncodeRows) {
    const size_t count = std::min(kEncodeRows, rows.rows() - first);
    widen_rows(rows.slice(first, count), metric_, wide.data());
    for (size_t p = 0; p < parts_.size(); ++p) {
      const std::vector<float> part = cut_part(wide, count, dim_, parts_[p].first, parts_[p].dim);
      nearest_[p].assign(part.data(), count, numbers.data());
      const size_t byte = p * options_.bits / 8;
      const size_t shift = p * options_.bits % 8;
      uint8_t* to = codes + first * code_bytes() + byte;
      for (size_t i = 0; i < count; ++i) {
        const auto bits = static_cast<uint8_t>(numbers[i] << shift);
        uint8_t& code = to[i * code_bytes()];
        code = options_.bits == 8 ? bits : static_cast<uint8_t>(code | bits);
      }
    }
  }
}

void ProductQuantizer::pack_block(const uint8_t* codes, size_t count, uint8_t* block) const {
  if (options_.bits == 4) {
    transpose_codes(codes, count, code_bytes(), code_bytes(), block);
    return;
  }
  std::memcpy(block, codes, count * code_bytes());
  std::memset(block + count * code_bytes(), 0, (kBlockCodes - count) * code_bytes());
}

std::vector<float> ProductQuantizer::make_tables(VectorView query) const {
  const kernels::KernelTable& kernels = kernels::kernels();
  std::vector<float> wide(dim_);
  widen_rows(query, metric_, wide.data());
  std::vector<float> tables(parts_.size() * centroid_count());
  for (size_t p = 0; p < parts_.size(); ++p) {
    const Part& part = parts_[p];
    const auto to_rows = metric_ == Metric::kL2 ? kernels.l2_f32 : kernels.dot_f32;
    to_rows(wide.data() + part.first, part.centroids.data(), centroid_count(), part.dim,
            tables.data() + p * centroid_count());
  }
  if (metric_ != Metric::kL2) {
    for (float& entry : tables) entry = -entry;
  }
  return tables;
}

std::unique_ptr<Estimator> ProductQuantizer::prepare_query(VectorView query) const {
  ROX_ASSERT(query.dim() == dim_);
  ROX_ASSERT(nearest_.size() == parts_.size());
  if (options_.bits == 4) return std::make_unique<NibbleEstimator>(make_tables(query), bias_);
  return std::make_unique<ByteEstimator>(make_tables(query), bias_);
}

}  // namespace roxanne::quantize
