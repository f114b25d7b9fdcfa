#include "quantize/residual_product_code.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "base/status_macros.h"
#include "kernels/distance.h"
#include "quantize/kmeans.h"

namespace roxanne::quantize {
namespace {

constexpr size_t kEntries = kernels::kCodebookEntries;
// Vectors outside the sample may need more than it did.
constexpr float kAddHeadroom = 2;
// k-means of a part: begun on a few points for each entry, then refined on all.
constexpr size_t kFirstPoints = 16;
constexpr size_t kFirstIterations = 4;
constexpr size_t kIterations = 8;

// Moves entries (transposed) to the means of the points nearest to them; those without points stay.
void refine(const std::vector<float>& points, size_t count, size_t dim, float* entries) {
  std::vector<double> sums(kEntries * dim);
  std::vector<size_t> sizes(kEntries);
  for (size_t i = 0; i < count; ++i) {
    const float* point = points.data() + i * dim;
    const uint32_t entry = kernels::kernels().nearest_entry(point, dim, entries);
    ++sizes[entry];
    for (size_t d = 0; d < dim; ++d) sums[entry * dim + d] += point[d];
  }
  for (size_t e = 0; e < kEntries; ++e) {
    if (sizes[e] == 0) continue;
    const auto size = static_cast<double>(sizes[e]);
    for (size_t d = 0; d < dim; ++d) {
      entries[d * kEntries + e] = static_cast<float>(sums[e * dim + d] / size);
    }
  }
}

}  // namespace

ResidualProductCode::ResidualProductCode(size_t dim, size_t part_count)
    : dim_(dim), part_count_(part_count), codebook_(dim * kEntries) {
  ROX_CHECK(part_count >= 1);
  ROX_CHECK(part_count <= dim);
}

void ResidualProductCode::train(const Sample& sample, uint64_t seed, base::ThreadPool& pool,
                                size_t thread_count) {
  std::atomic<size_t> next{0};
  pool.run(thread_count, [&](size_t) {
    for (size_t p = next++; p < part_count_; p = next++) train_part(p, sample, seed + p);
  });
  float greatest = 0;
  std::vector<uint8_t> code(code_bytes());
  for (size_t i = 0; i < sample.count; ++i) {
    const float add =
        name_parts(sample.residuals + i * dim_, sample.centroids + i * dim_, code.data());
    greatest = std::max(greatest, std::abs(add + sample.extras[i]));
  }
  add_step_ = greatest > 0 ? kAddHeadroom * greatest / std::numeric_limits<int16_t>::max() : 1;
}

void ResidualProductCode::train_part(size_t part, const Sample& sample, uint64_t seed) {
  const size_t first = first_of(part);
  const size_t dim = dim_of(part);
  std::vector<float> points(sample.count * dim);
  for (size_t i = 0; i < sample.count; ++i) {
    std::copy_n(sample.residuals + i * dim_ + first, dim, points.data() + i * dim);
  }
  const std::vector<float> centroids = kmeans(points.data(), sample.count, dim,
                                              {.cluster_count = kEntries,
                                               .iteration_max = kFirstIterations,
                                               .points_per_cluster_max = kFirstPoints,
                                               .seed = seed});
  float* entries = codebook_.data() + first * kEntries;
  for (size_t d = 0; d < dim; ++d) {
    for (size_t e = 0; e < kEntries; ++e) entries[d * kEntries + e] = centroids[e * dim + d];
  }
  for (size_t i = 0; i < kIterations; ++i) refine(points, sample.count, dim, entries);
}

void ResidualProductCode::restore(std::vector<float> codebook, float add_step) {
  ROX_CHECK(codebook.size() == dim_ * kEntries);
  codebook_ = std::move(codebook);
  add_step_ = add_step;
}

// Writes the bytes of the parts; returns |r|^2 + 2 <c, r>.
float ResidualProductCode::name_parts(const float* residual, const float* centroid,
                                      uint8_t* code) const {
  float add = 0;
  for (size_t p = 0; p < part_count_; ++p) {
    const size_t first = first_of(p);
    const float* entries = entries_of(p);
    const uint32_t entry = kernels::kernels().nearest_entry(residual + first, dim_of(p), entries);
    code[p] = static_cast<uint8_t>(entry);
    for (size_t d = 0; d < dim_of(p); ++d) {
      const float value = entries[d * kEntries + entry];
      add += value * (value + 2 * centroid[first + d]);
    }
  }
  return add;
}

void ResidualProductCode::encode(const float* residual, const float* centroid, float extra,
                                 uint8_t* code) const {
  constexpr float kMost = kVacant - 1;
  const float steps = (name_parts(residual, centroid, code) + extra) / add_step_;
  const auto add = static_cast<int16_t>(std::lround(std::clamp(steps, -kMost, kMost)));
  std::memcpy(code + part_count_, &add, sizeof add);
}

void ResidualProductCode::decode(const uint8_t* code, float* residual) const {
  for (size_t p = 0; p < part_count_; ++p) {
    const float* entries = entries_of(p);
    for (size_t d = 0; d < dim_of(p); ++d) {
      residual[first_of(p) + d] = entries[d * kEntries + code[p]];
    }
  }
}

void ResidualProductCode::Query::prepare(const ResidualProductCode& code, const float* query) {
  part_count_ = code.part_count_;
  add_step_ = code.add_step_;
  table_.resize(part_count_ * kEntries);
  for (size_t p = 0; p < part_count_; ++p) {
    float* table = table_.data() + p * kEntries;
    const float* entries = code.entries_of(p);
    const float* part = query + code.first_of(p);
    std::fill_n(table, kEntries, 0.0f);
    for (size_t d = 0; d < code.dim_of(p); ++d) {
      const float factor = -2 * part[d];
      for (size_t e = 0; e < kEntries; ++e) table[e] += factor * entries[d * kEntries + e];
    }
  }
}

}  // namespace roxanne::quantize
