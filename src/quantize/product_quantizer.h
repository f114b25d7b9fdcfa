// Product quantization: a vector is cut into parts, and each part is named by the nearest of a few
// centroids of such parts (Jegou, Douze, Schmid, PAMI 2011; 4 bits in blocks: Andre, Kermarrec,
// Le Scouarnec, VLDB 2015).
//
//   flat code   8 bits: a byte a part. 4 bits: a byte for two parts, the first in the low half
//   block       8 bits: 32 flat codes. 4 bits: their bytes transposed, a row of 32 for each
#pragma once

#include <memory>
#include <vector>

#include "quantize/kmeans.h"
#include "quantize/quantizer.h"

namespace roxanne::quantize {

struct ProductOptions {
  size_t part_count = 32;  // at most dim; even with 4 bits
  size_t bits = 8;         // 4 or 8: 16 or 256 centroids a part
  uint64_t seed = 1;
};

class ProductQuantizer final : public Quantizer {
 public:
  ProductQuantizer(size_t dim, Metric metric, const ProductOptions& options);

  size_t dim() const override { return dim_; }
  size_t code_bytes() const override { return options_.part_count * options_.bits / 8; }
  void train(MatrixView sample) override;
  void encode(MatrixView rows, uint8_t* codes) const override;
  void pack_block(const uint8_t* codes, size_t count, uint8_t* block) const override;
  std::unique_ptr<Estimator> prepare_query(VectorView query) const override;

 private:
  struct Part {
    size_t first;  // coordinate
    size_t dim;
    std::vector<float> centroids;
  };

  size_t centroid_count() const { return size_t{1} << options_.bits; }
  // part_count x centroid_count distances.
  std::vector<float> make_tables(VectorView query) const;

  size_t dim_;
  Metric metric_;
  ProductOptions options_;
  std::vector<Part> parts_;
  std::vector<NearestCentroid> nearest_;  // of each part
  // What all estimates lack: under L2 the mean squared distance of the sample to its codes.
  float bias_ = 0;
};

}  // namespace roxanne::quantize
