// An engine whose kernels run on the processor, thread by thread: for tests of all that surrounds a
// device, and of the kernels' index arithmetic within a whole build.
#pragma once

#include <algorithm>
#include <cstring>

#include "accel/emulated_execution.h"
#include "accel/engine.h"
#include "accel/nearest_tile.h"
#include "accel/prune_node.h"
#include "accel/row_kernels.h"

namespace roxanne::accel {

class EmulatedEngine final : public Engine {
 public:
  explicit EmulatedEngine(const EngineShape& shape)
      : shape_(shape),
        stride_(row_stride(shape.dim)),
        staged_(shape.batch_rows, stride_),
        batch_(shape.batch_rows, stride_),
        cell_(shape.cell_rows, stride_),
        members_(shape.batch_rows),
        ids_(shape.batch_rows) {}

  const EngineShape& shape() const override { return shape_; }
  const EmulatedFaults& faults() const { return faults_; }
  // Fails every call after so many.
  void fail_after(size_t calls) { calls_left_ = calls; }
  size_t cells_loaded() const { return cells_loaded_; }

  Stage stage() override {
    return {staged_.codes(), stride_, staged_.norms.data(), members_.data(), ids_.data()};
  }

  Status load_cell(size_t first, size_t count) override {
    ROX_RETURN_IF_ERROR(may_go_on());
    ROX_CHECK(first + count <= shape_.cell_rows);
    ROX_CHECK(count <= shape_.batch_rows);
    std::memcpy(cell_.codes() + first * stride_, staged_.codes(), count * stride_);
    std::copy_n(staged_.norms.begin(), count, cell_.norms.begin() + static_cast<ptrdiff_t>(first));
    cells_loaded_ += first == 0;
    return Status::ok();
  }

  Status nearest(const NearestBatch& batch, std::span<const uint32_t>& found) override {
    ROX_RETURN_IF_ERROR(may_go_on());
    take_rows(batch);
    found_.assign(batch.row_count * batch.k, 0xabababab);
    ROX_CHECK(batch.k <= shape_.k_max);
    if (shape_.code_type == ScalarType::kU8) find<uint8_t>(batch);
    if (shape_.code_type == ScalarType::kI8) find<int8_t>(batch);
    found = found_;
    return Status::ok();
  }

  Status link(const NearestBatch& batch, uint32_t source_count,
              std::vector<uint64_t>& edges) override {
    std::span<const uint32_t> found;
    ROX_CHECK(batch.k <= shape_.link_neighbours);
    ROX_RETURN_IF_ERROR(nearest(batch, found));
    std::vector<uint64_t> linked(2 * found.size());
    const LinkRule rule{static_cast<uint32_t>(batch.k), source_count};
    for (size_t i = 0; i < found.size(); ++i) {
      link_answer(i, found.data(), ids_.data(), rule, linked.data());
    }
    sort(linked);
    edges.insert(edges.end(), linked.begin(), linked.end());
    return Status::ok();
  }

  Status sort_edges(std::vector<uint64_t>& edges) override {
    ROX_RETURN_IF_ERROR(may_go_on());
    ROX_CHECK(edges.size() <= shape_.edges_max());
    sort(edges);
    return Status::ok();
  }

  Status prune(size_t row_count, std::span<const PruneNode> nodes, const PruneRule& rule,
               std::span<const uint32_t>& kept) override {
    ROX_RETURN_IF_ERROR(may_go_on());
    ROX_CHECK(row_count <= shape_.batch_rows);
    ROX_CHECK(nodes.size() <= kPruneNodesMax);
    kept_.assign(nodes.size() * rule.max_degree, 0xabababab);
    for (size_t i = 0; i < nodes.size(); ++i) {
      ROX_CHECK(nodes[i].first + nodes[i].count < row_count);
      uint32_t* const out = kept_.data() + i * rule.max_degree;
      if (shape_.code_type == ScalarType::kU8) prune_one<uint8_t>(nodes[i], rule, out);
      if (shape_.code_type == ScalarType::kI8) prune_one<int8_t>(nodes[i], rule, out);
    }
    kept = kept_;
    return Status::ok();
  }

 private:
  struct Rows {
    Rows(size_t rows, size_t row_bytes)
        : quads(rows * row_bytes / sizeof(Quad)),
          norms(rows),
          stride(static_cast<uint32_t>(row_bytes)) {}
    uint8_t* codes() { return reinterpret_cast<uint8_t*>(quads.data()); }
    CodeRows view() { return {codes(), norms.data(), stride}; }
    std::vector<Quad> quads;
    std::vector<int32_t> norms;
    uint32_t stride;
  };

  Status may_go_on() {
    if (calls_left_ == 0) return Status::io_error("the emulated device was told to fail");
    --calls_left_;
    return Status::ok();
  }

  void take_rows(const NearestBatch& batch) {
    ROX_CHECK(batch.row_count <= shape_.batch_rows);
    if (!batch.is_of_cell) {
      batch_ = staged_;
      return;
    }
    for (size_t i = 0; i < batch.row_count * stride_ / sizeof(Quad); ++i) {
      gather_quad(i, cell_.view(), members_.data(), batch_.codes(), batch_.norms.data());
    }
  }

  template <class Code>
  void find(const NearestBatch& batch) {
    for (const QueryTile& tile : batch.tiles) {
      ROX_CHECK(tile.query_count <= kTileQueries);
      ROX_CHECK(tile.query_first + tile.query_count <= batch.row_count);
      ROX_CHECK(tile.row_first + tile.row_count <= batch.row_count);
      if (batch.k <= 2) find_in_tile<Code, 2>(batch, tile);
      if (batch.k > 2 && batch.k <= 4) find_in_tile<Code, 4>(batch, tile);
      if (batch.k > 4) find_in_tile<Code, static_cast<int>(kNearestMax)>(batch, tile);
    }
  }

  template <class Code, int K>
  void find_in_tile(const NearestBatch& batch, const QueryTile& tile) {
    using Exec = EmulatedExecution<Code, kNearestThreads>;
    backwards_ = !backwards_;
    Exec exec(faults_, backwards_);
    NearestShared<Exec> shared;
    NearestTile<Exec, K> body(exec, shared, batch_.view(), tile);
    body.run({static_cast<uint32_t>(batch.k), batch.skip_self}, found_.data());
  }

  template <class Code>
  void prune_one(const PruneNode& node, const PruneRule& rule, uint32_t* out) {
    using Exec = EmulatedExecution<Code, kWarpThreads>;
    backwards_ = !backwards_;
    Exec exec(faults_, backwards_);
    PruneShared<Exec> shared;
    NodePruner<Exec>(exec, shared, staged_.view(), rule).run(node, out);
  }

  static void sort(std::vector<uint64_t>& edges) {
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    if (!edges.empty() && edges.back() == kNoEdge) edges.pop_back();
  }

  const EngineShape shape_;
  const size_t stride_;
  Rows staged_, batch_, cell_;
  std::vector<uint32_t> members_, ids_, found_, kept_;
  EmulatedFaults faults_;
  bool backwards_ = false;
  size_t cells_loaded_ = 0;
  size_t calls_left_ = SIZE_MAX;
};

}  // namespace roxanne::accel
