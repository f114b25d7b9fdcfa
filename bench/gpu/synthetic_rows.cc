#include "bench/gpu/synthetic_rows.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "base/split_mix.h"

namespace roxanne::bench {
namespace {

constexpr size_t kRowsTogether = 4096;
constexpr float kMiddle = 128, kSpread = 22;  // of a coordinate
constexpr float kWithin = 0.45f;              // of a cluster, beside the spread of the centres
constexpr float kNoise = 1.5f;

// Near enough to normal: the sum of four uniforms.
float normal(base::SplitMix64& random) {
  const uint64_t bits = random.next();
  float sum = 0;
  for (int i = 0; i < 64; i += 16) sum += static_cast<float>((bits >> i) & 0xffff) / 65536;
  return (sum - 2) * 1.7320508f;
}

}  // namespace

base::AlignedBuffer synthetic_rows(const SyntheticShape& shape, base::ThreadPool& pool,
                                   size_t thread_count) {
  base::SplitMix64 shared(shape.seed);
  std::vector<float> map(shape.latent_dim * shape.dim), centres(shape.clusters * shape.latent_dim);
  const float scale = kSpread / std::sqrt(static_cast<float>(shape.latent_dim));
  for (float& value : map) value = normal(shared) * scale;
  for (float& value : centres) value = normal(shared);
  base::AlignedBuffer rows(shape.rows * shape.dim);
  std::atomic<size_t> next{0};
  pool.run(thread_count, [&](size_t) {
    std::vector<float> latent(shape.latent_dim), row(shape.dim);
    for (size_t first = next++ * kRowsTogether; first < shape.rows;
         first = next++ * kRowsTogether) {
      base::SplitMix64 random(shape.seed ^ (first + 1) * 0x9e3779b97f4a7c15u);
      for (size_t i = first; i < std::min(first + kRowsTogether, shape.rows); ++i) {
        const float* centre = centres.data() + random.next() % shape.clusters * shape.latent_dim;
        for (size_t l = 0; l < shape.latent_dim; ++l) {
          latent[l] = centre[l] + kWithin * normal(random);
        }
        std::fill(row.begin(), row.end(), kMiddle);
        for (size_t l = 0; l < shape.latent_dim; ++l) {
          for (size_t d = 0; d < shape.dim; ++d) row[d] += latent[l] * map[l * shape.dim + d];
        }
        auto* const out = reinterpret_cast<uint8_t*>(rows.data()) + i * shape.dim;
        for (size_t d = 0; d < shape.dim; ++d) {
          const float value = row[d] + kNoise * normal(random);
          out[d] = static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f));
        }
      }
    }
  });
  return rows;
}

}  // namespace roxanne::bench
