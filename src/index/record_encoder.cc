#include "index/record_encoder.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>

#include "graph/random_ids.h"
#include "quantize/widen.h"

namespace roxanne::index {
namespace {

constexpr size_t kMeanSampleRows = 10000;
constexpr size_t kDifferences = 8192;
constexpr size_t kRowsAhead = 6;
constexpr size_t kLinesAheadMax = 16;
constexpr size_t kTableBlockRows = 1024;

void prefetch_bytes(const void* begin, size_t bytes) {
  const auto* at = static_cast<const std::byte*>(begin);
  const size_t lines = std::min(kLinesAheadMax, (bytes + kLineBytes - 1) / kLineBytes);
  for (size_t i = 0; i < lines; ++i) __builtin_prefetch(at + i * kLineBytes);
}

}  // namespace

std::vector<float> mean_of_sample(MatrixView rows, Metric metric, uint64_t seed) {
  const size_t count = std::min(rows.rows(), kMeanSampleRows);
  std::vector<double> sums(rows.dim());
  std::vector<float> row(rows.dim());
  for (const uint32_t i : graph::random_ids(static_cast<uint32_t>(rows.rows()), count, seed)) {
    quantize::widen_rows(rows.slice(i, 1), metric, row.data());
    for (size_t d = 0; d < row.size(); ++d) sums[d] += row[d];
  }
  std::vector<float> mean(rows.dim());
  for (size_t d = 0; d < mean.size(); ++d) {
    mean[d] = static_cast<float>(sums[d] / static_cast<double>(count));
  }
  return mean;
}

quantize::Subspace train_subspace(MatrixView rows, Metric metric, const graph::Adjacency& adjacency,
                                  uint64_t seed) {
  const size_t dim = rows.dim();
  graph::RandomBits random(seed);
  std::vector<float> differences;
  std::vector<float> other(dim);
  const size_t wanted = std::min<size_t>(kDifferences, rows.rows() * 4);
  for (size_t i = 0; i < wanted; ++i) {
    const uint32_t node = random.below(static_cast<uint32_t>(rows.rows()));
    const auto neighbours = adjacency.neighbours(node);
    if (neighbours.empty()) continue;
    const uint32_t next = neighbours[random.below(static_cast<uint32_t>(neighbours.size()))];
    differences.resize(differences.size() + dim);
    float* difference = differences.data() + differences.size() - dim;
    quantize::widen_rows(rows.slice(node, 1), metric, difference);
    quantize::widen_rows(rows.slice(next, 1), metric, other.data());
    for (size_t d = 0; d < dim; ++d) difference[d] -= other[d];
  }
  return quantize::Subspace::train(differences.data(), differences.size() / dim, dim,
                                   {.seed = seed});
}

ProjectedRows::ProjectedRows(MatrixView rows, Metric metric, std::span<const float> origin,
                             const quantize::Subspace& subspace)
    : rows_(rows), metric_(metric), origin_(origin), subspace_(subspace) {}

void ProjectedRows::project(uint32_t i, std::vector<float>& widened, float* out) const {
  widened.resize(rows_.dim());
  quantize::widen_rows(rows_.slice(i, 1), metric_, widened.data());
  for (size_t d = 0; d < widened.size(); ++d) widened[d] -= origin_[d];
  subspace_.project(widened.data(), out);
}

void ProjectedRows::make_table(base::ThreadPool& pool, size_t thread_count) {
  base::AlignedBuffer table(table_bytes(rows_.rows(), subspace_.dim()));
  auto* const begin = reinterpret_cast<float*>(table.data());
  std::atomic<size_t> next{0};
  pool.run(thread_count, [&](size_t) {
    std::vector<float> widened;
    for (size_t first = next.fetch_add(kTableBlockRows); first < rows_.rows();
         first = next.fetch_add(kTableBlockRows)) {
      const size_t end = std::min(first + kTableBlockRows, rows_.rows());
      for (size_t i = first; i < end; ++i) {
        project(static_cast<uint32_t>(i), widened, begin + i * subspace_.dim());
      }
    }
  });
  table_ = std::move(table);
}

const float* ProjectedRows::row(uint32_t i, Scratch& scratch) const {
  if (table_.size() != 0) {
    return reinterpret_cast<const float*>(table_.data()) + size_t{i} * subspace_.dim();
  }
  scratch.projected.resize(subspace_.dim());
  project(i, scratch.widened, scratch.projected.data());
  return scratch.projected.data();
}

void ProjectedRows::prefetch(uint32_t i) const {
  prefetch_bytes(rows_.row(i), rows_.row_bytes());
  if (table_.size() == 0) return;
  const size_t bytes = subspace_.dim() * sizeof(float);
  prefetch_bytes(table_.data() + size_t{i} * bytes, bytes);
}

RecordEncoder::RecordEncoder(const ResidentGraph& graph, MatrixView rows,
                             const ProjectedRows& projected)
    : graph_(graph),
      rows_(rows),
      projected_(projected),
      exact_(rows.type(), graph.shape.options.metric, rows.dim()),
      encoder_(graph.shape.code_dim, graph.shape.code_bits) {}

void RecordEncoder::encode(uint32_t node, std::span<const uint32_t> neighbours, std::byte* record) {
  const RecordLayout& layout = graph_.record_layout;
  const std::byte* row = rows_.row(node);
  std::memcpy(record, row, layout.row_bytes);
  const float norm = exact_.row_norm(row);
  if (layout.has_norm) std::memcpy(record + layout.norm_offset(), &norm, sizeof norm);
  exact_.set_query(row);
  encode_links(neighbours, {layout.links, record + layout.links_offset},
               projected_.row(node, centre_scratch_), exact_(row, norm));
}

// As seen from the origin, whose distance to itself is |o|^2 less twice that under the other
// metrics: estimates of the root only have to agree with its own base (GraphSearcher).
void RecordEncoder::encode_root(std::span<const uint32_t> entries, std::byte* links) {
  const std::vector<float> centre(graph_.shape.code_dim, 0.0f);
  const Metric metric = graph_.shape.options.metric;
  const LinksView<std::byte> view(graph_.root_layout, links);
  std::vector<float> row(rows_.dim());
  std::fill_n(view.ids(), graph_.root_layout.degree, kNoNode);
  std::fill_n(view.adds(), graph_.root_layout.degree, std::numeric_limits<float>::infinity());
  for (size_t i = 0; i < entries.size(); ++i) {
    quantize::widen_rows(rows_.slice(entries[i], 1), metric, row.data());
    double norm = 0, along = 0;
    for (size_t d = 0; d < row.size(); ++d) {
      const double difference = static_cast<double>(row[d]) - graph_.origin[d];
      norm += difference * difference;
      along += difference * graph_.origin[d];
    }
    const bool is_l2 = metric == Metric::kL2;
    view.ids()[i] = entries[i];
    encoder_.encode(centre.data(), projected_.row(entries[i], neighbour_scratch_),
                    {static_cast<float>(is_l2 ? norm : -along), is_l2 ? 2.0f : 1.0f},
                    i % kernels::kNeighbourBlock, view.block(i / kernels::kNeighbourBlock),
                    view.adds() + i / kernels::kNeighbourBlock * kernels::kNeighbourBlock,
                    view.scales() + i / kernels::kNeighbourBlock * kernels::kNeighbourBlock);
  }
}

void RecordEncoder::encode_links(std::span<const uint32_t> neighbours,
                                 const LinksView<std::byte>& links, const float* centre,
                                 float own_distance) {
  constexpr size_t kBlock = kernels::kNeighbourBlock;
  const size_t degree = graph_.record_layout.links.degree;
  const float factor = graph_.shape.options.metric == Metric::kL2 ? 2.0f : 1.0f;
  std::fill_n(links.ids(), degree, kNoNode);
  std::fill_n(links.adds(), degree, std::numeric_limits<float>::infinity());
  for (size_t i = 0; i < neighbours.size(); ++i) {
    if (i + kRowsAhead < neighbours.size()) projected_.prefetch(neighbours[i + kRowsAhead]);
    const uint32_t next = neighbours[i];
    const std::byte* row = rows_.row(next);
    // d(node, neighbour) less d(node, node) is |r|^2 under L2 and -<r, node> under the others.
    const float constant = exact_(row, exact_.row_norm(row)) - own_distance;
    const size_t first = i / kBlock * kBlock;
    links.ids()[i] = next;
    encoder_.encode(centre, projected_.row(next, neighbour_scratch_), {constant, factor},
                    i % kBlock, links.block(i / kBlock), links.adds() + first,
                    links.scales() + first);
  }
}

}  // namespace roxanne::index
