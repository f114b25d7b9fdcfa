#include "index/exact_scan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "index/exact_distance.h"
#include "index/top_k.h"
#include "kernels/distance.h"

namespace roxanne::index {

class ExactScan::Impl {
 public:
  virtual ~Impl() = default;
  virtual void scan(size_t lane, const ScanRows& rows) = 0;
  virtual std::vector<std::vector<ScanNeighbor>> finish() = 0;
  virtual uint64_t distance_computations() const = 0;
};

namespace {

// From this many queries on, packing rows into panels pays for itself.
constexpr size_t kPanelQueriesMin = 4;
// Rows whose distances are computed before they are looked at: the results stay in L1.
constexpr size_t kChunkRows = 512;
// Unit roundoff of float, a little enlarged.
constexpr float kRoundoff = 6.2e-8f;

bool is_live(const uint64_t* live, size_t row) {
  return live == nullptr || ((live[row / 64] >> (row % 64)) & 1) != 0;
}

bool any_live(const uint64_t* live, size_t first, size_t count) {
  if (live == nullptr) return true;
  for (size_t row = first; row < first + count; ++row) {
    if (row % 64 == 0 && row + 64 <= first + count) {
      if (live[row / 64] != 0) return true;
      row += 63;
    } else if (is_live(live, row)) {
      return true;
    }
  }
  return false;
}

// What the scan needs of one scalar type. Product is int32_t for u8 and i8, else float.
template <typename Product>
struct TypeKernels {
  using ToRows = void (*)(const void*, const void*, size_t, size_t, Product*);
  ToRows l2;
  ToRows dot;
  void (*norms)(const void*, size_t, size_t, Product*);
  const kernels::PanelKernels<Product>* panel;
  size_t row_scalar_bytes;
};

TypeKernels<float> float_kernels(ScalarType type) {
  const kernels::KernelTable& table = kernels::kernels();
  if (type == ScalarType::kF32) {
    return {table.l2_f32, table.dot_f32, table.norms_f32, &table.panel_f32, 4};
  }
  return {table.l2_f16, table.dot_f16, table.norms_f16, &table.panel_f16, 2};
}

TypeKernels<int32_t> int_kernels(ScalarType type) {
  const kernels::KernelTable& table = kernels::kernels();
  if (type == ScalarType::kU8) {
    return {table.l2_u8, table.dot_u8, table.norms_u8, &table.panel_u8, 1};
  }
  return {table.l2_i8, table.dot_i8, table.norms_i8, &table.panel_i8, 1};
}

// Score is what rows are ranked by: int32_t for integer vectors under L2 and inner product.
template <typename Product, typename Score>
class Scanner final : public ExactScan::Impl {
 public:
  Scanner(MatrixView queries, Metric metric, size_t k, size_t lane_count,
          const TypeKernels<Product>& type)
      : type_(type),
        metric_(metric),
        k_(k),
        dim_(queries.dim()),
        query_count_(queries.rows()),
        lanes_(lane_count) {
    copy_queries(queries);
    if (query_count_ >= kPanelQueriesMin) {
      const size_t bytes = type_.panel->prepared_bytes(query_count_, dim_);
      prepared_ = base::AlignedBuffer(bytes);
      type_.panel->prepare(queries_.data(), query_count_, dim_, prepared_.data());
    }
  }

  void scan(size_t lane_index, const ScanRows& rows) override {
    Lane& lane = lanes_[lane_index];
    if (lane.tops.empty()) lane.tops.assign(query_count_, TopK<Score>(k_));
    if (query_count_ < kPanelQueriesMin) {
      for (size_t q = 0; q < query_count_; ++q) scan_one_query(lane, q, rows);
    } else {
      scan_panels(lane, rows);
    }
    lane.comparisons += static_cast<uint64_t>(query_count_) * rows.row_count;
  }

  std::vector<std::vector<ScanNeighbor>> finish() override {
    std::vector<std::vector<ScanNeighbor>> results(query_count_);
    for (size_t q = 0; q < query_count_; ++q) {
      TopK<Score> best(k_);
      for (Lane& lane : lanes_) {
        if (!lane.tops.empty()) best.merge(lane.tops[q]);
      }
      for (const auto& entry : best.take_sorted()) {
        results[q].push_back({static_cast<float>(entry.score), entry.id, entry.tag});
      }
    }
    return results;
  }

  uint64_t distance_computations() const override {
    uint64_t sum = 0;
    for (const Lane& lane : lanes_) sum += lane.comparisons;
    return sum;
  }

 private:
  // What one thread works with.
  struct alignas(64) Lane {
    std::vector<TopK<Score>> tops;  // one a query; empty until the lane is first used
    uint64_t comparisons = 0;
    base::AlignedBuffer panel;
    base::AlignedBuffer tile;      // kQueryGroup x panel_rows products
    base::AlignedBuffer norms;     // of the panel's rows
    base::AlignedBuffer scales;    // what select_scaled multiplies with
    std::vector<uint32_t> chosen;  // rows that select let through
    std::vector<Product> products = std::vector<Product>(kChunkRows);
    std::vector<Product> chunk_norms = std::vector<Product>(kChunkRows);
  };

  void copy_queries(MatrixView queries) {
    if constexpr (std::is_same_v<Product, float>) {
      queries_.resize(query_count_ * dim_ * sizeof(float));
      auto* out = reinterpret_cast<float*>(queries_.data());
      if (queries.type() == ScalarType::kF16) {
        std::vector<uint16_t> halves(query_count_ * dim_);  // f16 views may be misaligned
        if (!halves.empty()) std::memcpy(halves.data(), queries.data(), halves.size() * 2);
        kernels::kernels().f16_to_f32(halves.data(), halves.size(), out);
      } else if (!queries_.empty()) {
        std::memcpy(out, queries.data(), queries_.size());
      }
      query_bytes_ = dim_ * sizeof(float);
    } else {
      queries_.assign(queries.data(), queries.data() + query_count_ * dim_);
      query_bytes_ = dim_;
    }
    query_norms_.resize(query_count_);
    for (size_t q = 0; q < query_count_; ++q) {
      if constexpr (std::is_same_v<Product, float>) {
        kernels::kernels().norms_f32(query(q), 1, dim_, &query_norms_[q]);
      } else {
        type_.norms(query(q), 1, dim_, &query_norms_[q]);
      }
    }
  }

  const void* query(size_t q) const { return queries_.data() + q * query_bytes_; }

  const std::byte* row(const ScanRows& rows, size_t r) const {
    return static_cast<const std::byte*>(rows.rows) + r * dim_ * type_.row_scalar_bytes;
  }

  void load_norms(const ScanRows& rows, size_t first, size_t count, Product* out) const {
    if (rows.norms != nullptr) {
      std::memcpy(out, static_cast<const std::byte*>(rows.norms) + first * sizeof(Product),
                  count * sizeof(Product));
    } else {
      type_.norms(row(rows, first), count, dim_, out);
    }
  }

  // The score of a product (L2: of a squared distance) that a one-to-many kernel gave.
  Score final_score(Product value, size_t q, Product row_norm) const {
    if (metric_ == Metric::kCosine) {
      return static_cast<Score>(cosine_distance(static_cast<float>(value),
                                                static_cast<float>(query_norms_[q]),
                                                static_cast<float>(row_norm)));
    }
    return static_cast<Score>(metric_ == Metric::kL2 ? value : -value);
  }

  void scan_one_query(Lane& lane, size_t q, const ScanRows& rows) {
    const auto kernel = metric_ == Metric::kL2 ? type_.l2 : type_.dot;
    TopK<Score>& top = lane.tops[q];
    for (size_t first = 0; first < rows.row_count; first += kChunkRows) {
      const size_t count = std::min(kChunkRows, rows.row_count - first);
      kernel(query(q), row(rows, first), count, dim_, lane.products.data());
      if (metric_ == Metric::kCosine) load_norms(rows, first, count, lane.chunk_norms.data());
      for (size_t i = 0; i < count; ++i) {
        const Score score = final_score(lane.products[i], q, lane.chunk_norms[i]);
        if (score <= top.bound() && is_live(rows.live, first + i)) {
          top.push(score, rows.first_id + first + i, tag(rows, first + i));
        }
      }
    }
  }

  static uint64_t tag(const ScanRows& rows, size_t r) {
    return rows.tags != nullptr ? rows.tags[r] : 0;
  }

  void reserve_panel(Lane& lane) const {
    const size_t panel_rows = type_.panel->panel_rows;
    lane.panel = base::AlignedBuffer(type_.panel->panel_bytes(dim_));
    lane.tile = base::AlignedBuffer(kernels::kQueryGroup * panel_rows * sizeof(Product));
    lane.norms = base::AlignedBuffer(panel_rows * sizeof(Product));
    lane.scales = base::AlignedBuffer(panel_rows * sizeof(float));
    lane.chosen.resize(panel_rows);
  }

  void scan_panels(Lane& lane, const ScanRows& rows) {
    if (lane.panel.size() == 0) reserve_panel(lane);
    const size_t panel_rows = type_.panel->panel_rows;
    for (size_t first = 0; first < rows.row_count; first += panel_rows) {
      const size_t count = std::min(panel_rows, rows.row_count - first);
      if (any_live(rows.live, first, count)) scan_panel(lane, rows, first, count);
    }
  }

  void scan_panel(Lane& lane, const ScanRows& rows, size_t first, size_t count) {
    const auto& panel = *type_.panel;
    panel.pack(row(rows, first), count, dim_, lane.panel.data());
    const float largest_norm = prepare_norms(lane, rows, first, count);
    auto* tile = reinterpret_cast<Product*>(lane.tile.data());
    for (size_t q0 = 0; q0 < query_count_; q0 += kernels::kQueryGroup) {
      const size_t queries = std::min(kernels::kQueryGroup, query_count_ - q0);
      panel.dot(lane.panel.data(), prepared_.data(), q0, queries, dim_, tile, panel.panel_rows);
      for (size_t q = 0; q < queries; ++q) {
        take_candidates(lane, rows, first, count, q0 + q, tile + q * panel.panel_rows,
                        largest_norm);
      }
    }
  }

  // Fills the lane's norms and scales for a panel; returns the largest norm.
  float prepare_norms(Lane& lane, const ScanRows& rows, size_t first, size_t count) const {
    auto* norms = reinterpret_cast<Product*>(lane.norms.data());
    auto* scales = reinterpret_cast<float*>(lane.scales.data());
    load_norms(rows, first, count, norms);
    std::fill(norms + count, norms + type_.panel->panel_rows, Product{0});
    Product largest = 0;
    for (size_t r = 0; r < count; ++r) largest = std::max(largest, norms[r]);
    for (size_t r = 0; r < type_.panel->panel_rows; ++r) {
      const bool scaled = metric_ == Metric::kCosine;
      const float norm = static_cast<float>(norms[r]);
      scales[r] = !scaled ? 1.0f : norm > 0 ? 1.0f / std::sqrt(norm) : 0.0f;
    }
    return static_cast<float>(largest);
  }

  // Bounds are loosened by what rounding may have moved a product, so no neighbour is missed.
  size_t select(Lane& lane, size_t count, size_t q, const Product* dots, float largest_norm) const {
    const kernels::KernelTable& table = kernels::kernels();
    const size_t n = (count + 15) / 16 * 16;
    const auto* norms = reinterpret_cast<const Product*>(lane.norms.data());
    const auto* scales = reinterpret_cast<const float*>(lane.scales.data());
    const Score worst = lane.tops[q].bound();
    const float query_norm = static_cast<float>(query_norms_[q]);
    const float rounding = static_cast<float>(dim_ + 16) * kRoundoff;
    uint32_t* out = lane.chosen.data();
    if (metric_ == Metric::kL2) {
      if constexpr (std::is_same_v<Score, int32_t>) {
        return table.select_l2_int(dots, norms, n, worst - query_norms_[q], out);
      } else if constexpr (std::is_same_v<Product, float>) {
        const float margin = 2 * rounding * (query_norm + largest_norm);
        return table.select_l2_float(dots, norms, n, worst - query_norm + margin, out);
      }
    }
    float bound;
    if (metric_ == Metric::kCosine) {
      const float length = std::sqrt(query_norm);
      bound = (1.0f - static_cast<float>(worst)) * length - 4 * rounding * length;
    } else {
      bound = -static_cast<float>(worst) - rounding * (query_norm + largest_norm);
    }
    if constexpr (std::is_same_v<Product, float>) {
      return table.select_scaled_float(dots, scales, n, bound, out);
    } else {
      return table.select_scaled_int(dots, scales, n, bound, out);
    }
  }

  void take_candidates(Lane& lane, const ScanRows& rows, size_t first, size_t count, size_t q,
                       const Product* dots, float largest_norm) {
    const size_t chosen = select(lane, count, q, dots, largest_norm);
    if (chosen == 0) return;
    const auto* norms = reinterpret_cast<const Product*>(lane.norms.data());
    TopK<Score>& top = lane.tops[q];
    for (size_t i = 0; i < chosen; ++i) {
      const size_t r = lane.chosen[i];
      if (r >= count || !is_live(rows.live, first + r)) continue;
      const Score score = exact_score(rows, first + r, q, dots[r], norms[r]);
      if (score <= top.bound()) top.push(score, rows.first_id + first + r, tag(rows, first + r));
    }
  }

  Score exact_score(const ScanRows& rows, size_t r, size_t q, Product dot, Product norm) const {
    if constexpr (std::is_same_v<Product, int32_t>) {
      if (metric_ == Metric::kL2) return static_cast<Score>(query_norms_[q] + norm - 2 * dot);
      return final_score(dot, q, norm);
    } else {
      Product value;
      (metric_ == Metric::kL2 ? type_.l2 : type_.dot)(query(q), row(rows, r), 1, dim_, &value);
      return final_score(value, q, norm);
    }
  }

  TypeKernels<Product> type_;
  Metric metric_;
  size_t k_;
  size_t dim_;
  size_t query_count_;
  size_t query_bytes_ = 0;
  std::vector<std::byte> queries_;
  std::vector<Product> query_norms_;
  base::AlignedBuffer prepared_;
  std::vector<Lane> lanes_;
};

}  // namespace

ExactScan::ExactScan(MatrixView queries, Metric metric, size_t k, size_t lane_count) {
  ROX_CHECK(k > 0);
  ROX_CHECK(lane_count > 0);
  const ScalarType type = queries.type();
  if (type == ScalarType::kF32 || type == ScalarType::kF16) {
    impl_ = std::make_unique<Scanner<float, float>>(queries, metric, k, lane_count,
                                                    float_kernels(type));
  } else if (metric == Metric::kCosine) {
    impl_ = std::make_unique<Scanner<int32_t, float>>(queries, metric, k, lane_count,
                                                      int_kernels(type));
  } else {
    impl_ = std::make_unique<Scanner<int32_t, int32_t>>(queries, metric, k, lane_count,
                                                        int_kernels(type));
  }
}

ExactScan::~ExactScan() = default;

void ExactScan::scan(size_t lane, const ScanRows& rows) { impl_->scan(lane, rows); }

std::vector<std::vector<ScanNeighbor>> ExactScan::finish() { return impl_->finish(); }

uint64_t ExactScan::distance_computations() const { return impl_->distance_computations(); }

}  // namespace roxanne::index
