#include "quantize/kmeans.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/status_macros.h"
#include "kernels/distance.h"
#include "quantize/random.h"

namespace roxanne::quantize {
namespace {

// Points whose products with all centroids are computed before they are looked at.
constexpr size_t kBatchPoints = 2 * kernels::kQueryGroup;
constexpr size_t kLanes = 16;  // what `stride` is a multiple of

struct Nearest {
  uint32_t number;
  float value;  // norm - 2 * dot
};

// Lanes are kept apart so that compilers use vector registers.
Nearest nearest(const float* dots, const float* norms, size_t stride) {
  float least[kLanes];
  uint32_t number[kLanes];
  for (size_t l = 0; l < kLanes; ++l) {
    least[l] = norms[l] - 2 * dots[l];
    number[l] = 0;
  }
  for (size_t r = kLanes; r < stride; r += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) {
      const float value = norms[r + l] - 2 * dots[r + l];
      number[l] = value < least[l] ? static_cast<uint32_t>(r) : number[l];
      least[l] = value < least[l] ? value : least[l];
    }
  }
  Nearest best = {number[0], least[0]};
  for (uint32_t l = 1; l < kLanes; ++l) {
    const uint32_t at = number[l] + l;
    if (least[l] < best.value || (least[l] == best.value && at < best.number))
      best = {at, least[l]};
  }
  return best;
}

std::vector<float> sample_rows(const float* points, size_t point_count, size_t dim,
                               size_t sample_count, Random& random) {
  std::vector<float> sample(sample_count * dim);
  if (sample_count == point_count) {
    std::copy(points, points + point_count * dim, sample.begin());
    return sample;
  }
  std::vector<size_t> order(point_count);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = 0; i < sample_count; ++i) {
    std::swap(order[i], order[i + random.below(point_count - i)]);
    const float* point = points + order[i] * dim;
    std::copy(point, point + dim, sample.begin() + static_cast<ptrdiff_t>(i * dim));
  }
  return sample;
}

// A point picked with a probability that grows with its squared distance to the centroids so far.
size_t pick_far_point(const std::vector<float>& distances, Random& random) {
  double total = 0;
  for (const float distance : distances) total += distance;
  double left = random.uniform() * total;
  for (size_t i = 0; i < distances.size(); ++i) {
    left -= distances[i];
    if (left < 0) return i;
  }
  return random.below(distances.size());  // all points are centroids already
}

// Seeding compares every point with every centroid, one after the other; so many points for each
// are enough, since Lloyd's iterations look at all of them.
constexpr size_t kSeedPointsPerCluster = 16;

std::vector<float> seed_centroids(const std::vector<float>& points, size_t dim, size_t count,
                                  Random& random) {
  const size_t point_count = points.size() / dim;
  std::vector<float> centroids(count * dim);
  std::vector<float> distances(point_count, std::numeric_limits<float>::max());
  std::vector<float> newest(point_count);
  float* const least = distances.data();  // without the checks of [], which keep loops from vectors
  float* const to_newest = newest.data();
  for (size_t c = 0; c < count; ++c) {
    const size_t pick = c == 0 ? random.below(point_count) : pick_far_point(distances, random);
    float* centroid = centroids.data() + c * dim;
    std::copy_n(points.data() + pick * dim, dim, centroid);
    kernels::kernels().l2_f32(centroid, points.data(), point_count, dim, to_newest);
    for (size_t i = 0; i < point_count; ++i) least[i] = std::min(least[i], to_newest[i]);
  }
  return centroids;
}

// Moves centroids to the means of their points. Distances become 0 where a point is made a
// centroid.
void move_centroids(const std::vector<float>& points, size_t dim,
                    const std::vector<uint32_t>& numbers, std::vector<float>& distances,
                    std::vector<float>& centroids) {
  const size_t cluster_count = centroids.size() / dim;
  std::vector<double> sums(centroids.size());
  std::vector<size_t> sizes(cluster_count);
  for (size_t i = 0; i < numbers.size(); ++i) {
    ++sizes[numbers[i]];
    double* sum = sums.data() + numbers[i] * dim;
    const float* point = points.data() + i * dim;
    for (size_t d = 0; d < dim; ++d) sum[d] += point[d];
  }
  for (size_t c = 0; c < cluster_count; ++c) {
    float* centroid = centroids.data() + c * dim;
    if (sizes[c] != 0) {
      const double scale = 1 / static_cast<double>(sizes[c]);
      for (size_t d = 0; d < dim; ++d) centroid[d] = static_cast<float>(sums[c * dim + d] * scale);
      continue;
    }
    const auto farthest = std::max_element(distances.begin(), distances.end());
    const auto i = static_cast<size_t>(farthest - distances.begin());
    std::copy_n(points.data() + i * dim, dim, centroid);
    *farthest = 0;
  }
}

}  // namespace

NearestCentroid::NearestCentroid(const float* centroids, size_t count, size_t dim)
    : count_(count), dim_(dim) {
  ROX_ASSERT(count > 0);
  const kernels::PanelKernels<float>& panel = kernels::kernels().panel_f32;
  const size_t panel_count = (count + panel.panel_rows - 1) / panel.panel_rows;
  stride_ = panel_count * panel.panel_rows;
  panels_ = base::AlignedBuffer(panel_count * panel.panel_bytes(dim));
  for (size_t p = 0; p < panel_count; ++p) {
    const size_t first = p * panel.panel_rows;
    panel.pack(centroids + first * dim, std::min(panel.panel_rows, count - first), dim,
               panels_.data() + p * panel.panel_bytes(dim));
  }
  norms_.assign(stride_, std::numeric_limits<float>::infinity());
  kernels::kernels().norms_f32(centroids, count, dim, norms_.data());
}

void NearestCentroid::assign(const float* points, size_t point_count, uint32_t* numbers,
                             float* distances) const {
  const kernels::PanelKernels<float>& panel = kernels::kernels().panel_f32;
  const size_t batch_max = std::min(kBatchPoints, point_count);
  base::AlignedBuffer prepared(panel.prepared_bytes(batch_max, dim_));
  base::AlignedBuffer products(batch_max * stride_ * sizeof(float));
  auto* dots = reinterpret_cast<float*>(products.data());
  float norms[kBatchPoints];
  for (size_t first = 0; first < point_count; first += kBatchPoints) {
    const size_t batch = std::min(kBatchPoints, point_count - first);
    panel.prepare(points + first * dim_, batch, dim_, prepared.data());
    for (size_t p = 0; p * panel.panel_rows < stride_; ++p) {
      panel.dot(panels_.data() + p * panel.panel_bytes(dim_), prepared.data(), 0, batch, dim_,
                dots + p * panel.panel_rows, stride_);
    }
    kernels::kernels().norms_f32(points + first * dim_, batch, dim_, norms);
    for (size_t i = 0; i < batch; ++i) {
      const Nearest found = nearest(dots + i * stride_, norms_.data(), stride_);
      ROX_ASSERT(found.number < count_);
      numbers[first + i] = found.number;
      if (distances != nullptr) distances[first + i] = std::max(0.0f, norms[i] + found.value);
    }
  }
}

std::vector<float> kmeans(const float* points, size_t point_count, size_t dim,
                          const KmeansOptions& options) {
  ROX_CHECK(point_count > 0);
  ROX_CHECK(options.cluster_count > 0);
  Random random(options.seed);
  const size_t sample_count =
      std::min(point_count, options.points_per_cluster_max * options.cluster_count);
  const std::vector<float> sample = sample_rows(points, point_count, dim, sample_count, random);
  const size_t seed_count = std::min(sample_count, kSeedPointsPerCluster * options.cluster_count);
  std::vector<float> centroids =
      seed_centroids(sample_rows(sample.data(), sample_count, dim, seed_count, random), dim,
                     options.cluster_count, random);
  std::vector<uint32_t> numbers(sample_count);
  std::vector<float> distances(sample_count);
  // A thousandth less distortion is not worth another pass.
  constexpr double kGainMin = 1e-3;
  double last = std::numeric_limits<double>::max();
  for (size_t iteration = 0; iteration < options.iteration_max; ++iteration) {
    NearestCentroid(centroids.data(), options.cluster_count, dim)
        .assign(sample.data(), sample_count, numbers.data(), distances.data());
    const double distortion = std::accumulate(distances.begin(), distances.end(), 0.0);
    move_centroids(sample, dim, numbers, distances, centroids);
    if (distortion >= last * (1 - kGainMin)) break;
    last = distortion;
  }
  return centroids;
}

}  // namespace roxanne::quantize
