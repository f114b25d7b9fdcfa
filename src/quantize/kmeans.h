// k-means: centroids that stand for many points, and the nearest of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"

namespace roxanne::quantize {

// A centroid for each point, by squared Euclidean distance, ties to the lower number. Centroids are
// packed once for the panel kernels. Calls may run at once.
class NearestCentroid {
 public:
  // `centroids` is count x dim, row-major, and is copied.
  NearestCentroid(const float* centroids, size_t count, size_t dim);

  // Writes point_count numbers, and the squared distances where `distances` is not null.
  void assign(const float* points, size_t point_count, uint32_t* numbers,
              float* distances = nullptr) const;

 private:
  size_t count_;
  size_t dim_;
  size_t stride_;  // centroids with what fills the last panel
  base::AlignedBuffer panels_;
  std::vector<float> norms_;  // of stride_ centroids; infinite for those that fill
};

struct KmeansOptions {
  size_t cluster_count = 256;
  size_t iteration_max = 12;
  // More points than this for a cluster are not looked at: a sample of them is.
  size_t points_per_cluster_max = 128;
  uint64_t seed = 1;
};

// Seeds with k-means++ (Arthur, Vassilvitskii 2007), then Lloyd's iterations until none helps.
// An emptied cluster starts again at the point that is farthest from its centroid. `points` is
// point_count x dim with at least one point; with fewer different points than clusters some
// centroids are equal. Returns cluster_count x dim. Deterministic for a seed.
std::vector<float> kmeans(const float* points, size_t point_count, size_t dim,
                          const KmeansOptions& options);

}  // namespace roxanne::quantize
