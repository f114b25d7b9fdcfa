// Makes the records of a resident graph from vectors and edges.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "graph/adjacency.h"
#include "index/exact_distance.h"
#include "index/resident_graph.h"
#include "quantize/residual_code.h"

namespace roxanne::index {

// The mean of a sample of rows, as the metric sees them (of length 1 under cosine).
std::vector<float> mean_of_sample(MatrixView rows, Metric metric, uint64_t seed);

// A subspace for differences along a sample of edges.
quantize::Subspace train_subspace(MatrixView rows, Metric metric, const graph::Adjacency& adjacency,
                                  uint64_t seed);

// Vectors less the origin, projected: a table of all, or each when it is asked for.
class ProjectedRows {
 public:
  ProjectedRows(MatrixView rows, Metric metric, std::span<const float> origin,
                const quantize::Subspace& subspace);

  static uint64_t table_bytes(uint64_t rows, size_t code_dim) {
    return rows * code_dim * sizeof(float);
  }
  void make_table(base::ThreadPool& pool, size_t thread_count);

  struct Scratch {
    std::vector<float> widened;
    std::vector<float> projected;
  };
  // Valid until the next call with this scratch.
  const float* row(uint32_t i, Scratch& scratch) const;
  void prefetch(uint32_t i) const;

 private:
  void project(uint32_t i, std::vector<float>& widened, float* out) const;

  MatrixView rows_;
  Metric metric_;
  std::span<const float> origin_;
  const quantize::Subspace& subspace_;
  base::AlignedBuffer table_;
};

// Scratch of one thread.
class RecordEncoder {
 public:
  RecordEncoder(const ResidentGraph& graph, MatrixView rows, const ProjectedRows& projected);

  // The record of `node`, record_layout.bytes of zeros before.
  void encode(uint32_t node, std::span<const uint32_t> neighbours, std::byte* record);
  // The root's links to `entries`.
  void encode_root(std::span<const uint32_t> entries, std::byte* links);

 private:
  void encode_links(std::span<const uint32_t> neighbours, const LinksView<std::byte>& links,
                    const float* centre, float own_distance);

  const ResidentGraph& graph_;
  MatrixView rows_;
  const ProjectedRows& projected_;
  ExactDistance exact_;
  quantize::ResidualEncoder encoder_;
  ProjectedRows::Scratch centre_scratch_;
  ProjectedRows::Scratch neighbour_scratch_;
};

}  // namespace roxanne::index
