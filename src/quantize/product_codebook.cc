#include "quantize/product_codebook.h"

#include <algorithm>
#include <atomic>

#include "base/status_macros.h"
#include "kernels/distance.h"
#include "quantize/kmeans.h"

namespace roxanne::quantize {
namespace {

constexpr size_t kEntries = kernels::kCodebookEntries;
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
    double* sum = sums.data() + entry * dim;
    for (size_t d = 0; d < dim; ++d) sum[d] += point[d];
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

ProductCodebook::ProductCodebook(size_t dim, size_t part_count)
    : dim_(dim), part_count_(part_count), values_(value_count(dim)) {
  ROX_CHECK(part_count >= 1);
  ROX_CHECK(part_count <= dim);
}

void ProductCodebook::train(const float* vectors, size_t count, uint64_t seed,
                            base::ThreadPool& pool, size_t thread_count) {
  std::atomic<size_t> next{0};
  pool.run(thread_count, [&](size_t) {
    for (size_t p = next++; p < part_count_; p = next++) train_part(p, vectors, count, seed + p);
  });
}

void ProductCodebook::train_part(size_t part, const float* vectors, size_t count, uint64_t seed) {
  const size_t first = first_of(part);
  const size_t dim = dim_of(part);
  std::vector<float> points(count * dim);
  for (size_t i = 0; i < count; ++i) {
    std::copy_n(vectors + i * dim_ + first, dim, points.data() + i * dim);
  }
  const std::vector<float> centroids = kmeans(points.data(), count, dim,
                                              {.cluster_count = kEntries,
                                               .iteration_max = kFirstIterations,
                                               .points_per_cluster_max = kFirstPoints,
                                               .seed = seed});
  float* entries = values_.data() + first * kEntries;
  for (size_t d = 0; d < dim; ++d) {
    for (size_t e = 0; e < kEntries; ++e) entries[d * kEntries + e] = centroids[e * dim + d];
  }
  for (size_t i = 0; i < kIterations; ++i) refine(points, count, dim, entries);
}

void ProductCodebook::restore(std::vector<float> values) {
  ROX_CHECK(values.size() == value_count(dim_));
  values_ = std::move(values);
}

void ProductCodebook::name(const float* vector, uint8_t* names) const {
  for (size_t p = 0; p < part_count_; ++p) {
    names[p] = static_cast<uint8_t>(
        kernels::kernels().nearest_entry(vector + first_of(p), dim_of(p), entries_of(p)));
  }
}

void ProductCodebook::decode(const uint8_t* names, float* vector) const {
  for (size_t p = 0; p < part_count_; ++p) {
    const float* entries = entries_of(p);
    for (size_t d = 0; d < dim_of(p); ++d)
      vector[first_of(p) + d] = entries[d * kEntries + names[p]];
  }
}

void ProductCodebook::Query::prepare(const ProductCodebook& codebook, const float* query) {
  part_count_ = codebook.part_count_;
  table_.resize(part_count_ * kEntries);
  for (size_t p = 0; p < part_count_; ++p) {
    float* table = table_.data() + p * kEntries;
    const float* entries = codebook.entries_of(p);
    const float* part = query + codebook.first_of(p);
    std::fill_n(table, kEntries, 0.0f);
    for (size_t d = 0; d < codebook.dim_of(p); ++d) {
      const float factor = -2 * part[d];
      for (size_t e = 0; e < kEntries; ++e) table[e] += factor * entries[d * kEntries + e];
    }
  }
}

}  // namespace roxanne::quantize
