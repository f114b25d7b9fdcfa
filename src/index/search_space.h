// The space in which cells and codes live: vectors of any type and metric become floats whose
// squared Euclidean distances are in the order of the metric, centred and scaled to length 1 on
// average.
//
//   cosine         vectors of length 1: |x - y|^2 = 2 - 2 cos
//   inner product  queries get the greatest norm M of a sample, and each vector an offset
//                  M^2 - |x|^2 that is added to its distances: then they are 2 M^2 - 2 <q, x>
//                  (Bachrach et al., RecSys 2014, without the added coordinate)
#pragma once

#include <cstddef>
#include <vector>

#include "roxanne/types.h"

namespace roxanne::index {

class SearchSpace {
 public:
  SearchSpace() = default;
  SearchSpace(Metric metric, std::vector<float> origin, float scale, float greatest_norm);
  // As fits a sample of at least one row.
  static SearchSpace of_sample(MatrixView sample, Metric metric);

  size_t dim() const { return origin_.size(); }
  const std::vector<float>& origin() const { return origin_; }
  float scale() const { return scale_; }
  float greatest_norm() const { return greatest_norm_; }

  // Writes rows x dim floats, and where it is not null an offset a row (0 but for inner product).
  void map_rows(MatrixView rows, float* out, float* offsets) const;

  // A query's place, and how its distances in the metric become distances here.
  class Query {
   public:
    const float* place() const { return place_.data(); }
    float distance_here(float metric_distance) const { return add_ + multiply_ * metric_distance; }

   private:
    friend class SearchSpace;
    std::vector<float> place_;
    float add_ = 0;
    float multiply_ = 1;
  };
  void map_query(VectorView query, Query& out) const;

 private:
  Metric metric_ = Metric::kL2;
  std::vector<float> origin_;
  float scale_ = 1;
  float greatest_norm_ = 0;  // inner product; before centring and scaling
};

}  // namespace roxanne::index
