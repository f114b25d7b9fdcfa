#include "accel/cuda/cuda_engine.h"

#include <algorithm>
#include <cstring>

#include "accel/cuda/kernels.h"
#include "base/status_macros.h"

namespace roxanne::accel {

CudaEngine::CudaEngine(int device, const EngineShape& shape)
    : device_(device),
      shape_(shape),
      stride_(row_stride(shape.dim)),
      answers_max_(std::max(shape.batch_rows * shape.k_max, kPruneNodesMax * shape.max_degree)) {}

Result<std::unique_ptr<Engine>> CudaEngine::create(int device, const EngineShape& shape) {
  ROX_CHECK(shape.k_max <= kNearestMax);
  std::unique_ptr<CudaEngine> engine(new CudaEngine(device, shape));
  ROX_RETURN_IF_ERROR(engine->allocate());
  return std::unique_ptr<Engine>(std::move(engine));
}

Status CudaEngine::allocate() {
  ROX_RETURN_IF_ERROR(use_device());
  const size_t rows = shape_.batch_rows, edges = shape_.edges_max();
  ROX_CUDA_TRY(sort_scratch_bytes(edges, scratch_bytes_));
  ROX_RETURN_IF_ERROR(stream_.create());
  for (StageMemory& stage : stages_) {
    ROX_RETURN_IF_ERROR(stage.codes.allocate(rows * stride_));
    ROX_RETURN_IF_ERROR(stage.norms.allocate(rows));
    ROX_RETURN_IF_ERROR(stage.members.allocate(rows));
    ROX_RETURN_IF_ERROR(stage.ids.allocate(rows));
    ROX_RETURN_IF_ERROR(stage.sent.create());
    std::memset(stage.codes.get(), 0, rows * stride_);
  }
  ROX_RETURN_IF_ERROR(codes_.allocate(rows * stride_));
  ROX_RETURN_IF_ERROR(norms_.allocate(rows));
  ROX_RETURN_IF_ERROR(members_.allocate(rows));
  ROX_RETURN_IF_ERROR(ids_.allocate(rows));
  ROX_RETURN_IF_ERROR(tiles_.allocate(rows));
  ROX_RETURN_IF_ERROR(nodes_.allocate(kPruneNodesMax));
  ROX_RETURN_IF_ERROR(answers_.allocate(answers_max_));
  ROX_RETURN_IF_ERROR(edges_.allocate(edges));
  ROX_RETURN_IF_ERROR(other_edges_.allocate(edges));
  ROX_RETURN_IF_ERROR(left_count_.allocate(1));
  ROX_RETURN_IF_ERROR(scratch_.allocate(scratch_bytes_));
  ROX_RETURN_IF_ERROR(cell_codes_.allocate(shape_.cell_rows * stride_));
  ROX_RETURN_IF_ERROR(cell_norms_.allocate(shape_.cell_rows));
  ROX_RETURN_IF_ERROR(answers_host_.allocate(answers_max_));
  ROX_RETURN_IF_ERROR(edges_host_.allocate(edges));
  return left_count_host_.allocate(1);
}

// Any thread may be the lane's at this moment.
Status CudaEngine::use_device() { return cuda_status(cudaSetDevice(device_), "choosing a device"); }

Stage CudaEngine::stage() {
  StageMemory& stage = stages_[stage_at_];
  // A failure is the next call's to tell.
  if (!is_stage_free_) (void)cudaEventSynchronize(stage.sent.get());
  is_stage_free_ = true;
  return {stage.codes.get(), stride_, stage.norms.get(), stage.members.get(), stage.ids.get()};
}

// All copies from the stage at hand are on the stream: the other one is next.
Status CudaEngine::stage_sent() {
  ROX_CUDA_TRY(cudaEventRecord(stages_[stage_at_].sent.get(), stream_.get()));
  stage_at_ = 1 - stage_at_;
  is_stage_free_ = false;
  return Status::ok();
}

Status CudaEngine::send_codes(size_t count, uint8_t* codes, int32_t* norms) {
  const StageMemory& stage = stages_[stage_at_];
  ROX_CUDA_TRY(cudaMemcpyAsync(codes, stage.codes.get(), count * stride_, cudaMemcpyHostToDevice,
                               stream_.get()));
  ROX_CUDA_TRY(cudaMemcpyAsync(norms, stage.norms.get(), count * sizeof(int32_t),
                               cudaMemcpyHostToDevice, stream_.get()));
  return Status::ok();
}

Status CudaEngine::load_cell(size_t first, size_t count) {
  ROX_CHECK(count <= shape_.batch_rows);
  ROX_CHECK(first + count <= shape_.cell_rows);
  ROX_RETURN_IF_ERROR(use_device());
  ROX_RETURN_IF_ERROR(
      send_codes(count, cell_codes_.get() + first * stride_, cell_norms_.get() + first));
  return stage_sent();
}

CodeRows CudaEngine::batch_rows() const {
  return {codes_.get(), norms_.get(), static_cast<uint32_t>(stride_)};
}
CodeRows CudaEngine::cell_rows() const {
  return {cell_codes_.get(), cell_norms_.get(), static_cast<uint32_t>(stride_)};
}

// Sends a batch and has its answers found; the stage is not told sent yet.
Status CudaEngine::start_finding(const NearestBatch& batch) {
  ROX_CHECK(batch.row_count <= shape_.batch_rows);
  ROX_CHECK(batch.tiles.size() <= shape_.batch_rows);
  ROX_CHECK(batch.k <= shape_.k_max);
  ROX_RETURN_IF_ERROR(use_device());
  if (batch.is_of_cell) {
    ROX_CUDA_TRY(cudaMemcpyAsync(members_.get(), stages_[stage_at_].members.get(),
                                 batch.row_count * sizeof(uint32_t), cudaMemcpyHostToDevice,
                                 stream_.get()));
    ROX_CUDA_TRY(start_gather(
        {cell_rows(), members_.get(), batch.row_count, codes_.get(), norms_.get()}, stream_.get()));
  } else {
    ROX_RETURN_IF_ERROR(send_codes(batch.row_count, codes_.get(), norms_.get()));
  }
  ROX_CUDA_TRY(cudaMemcpyAsync(tiles_.get(), batch.tiles.data(), batch.tiles.size_bytes(),
                               cudaMemcpyHostToDevice, stream_.get()));
  ROX_CUDA_TRY(start_nearest({shape_.code_type,
                              batch_rows(),
                              tiles_.get(),
                              batch.tiles.size(),
                              {static_cast<uint32_t>(batch.k), batch.skip_self},
                              answers_.get()},
                             stream_.get()));
  return Status::ok();
}

Status CudaEngine::nearest(const NearestBatch& batch, std::span<const uint32_t>& found) {
  ROX_RETURN_IF_ERROR(start_finding(batch));
  ROX_RETURN_IF_ERROR(stage_sent());
  const size_t answers = batch.row_count * batch.k;
  ROX_CUDA_TRY(cudaMemcpyAsync(answers_host_.get(), answers_.get(), answers * sizeof(uint32_t),
                               cudaMemcpyDeviceToHost, stream_.get()));
  ROX_CUDA_TRY(cudaStreamSynchronize(stream_.get()));
  found = {answers_host_.get(), answers};
  return Status::ok();
}

Status CudaEngine::link(const NearestBatch& batch, uint32_t source_count,
                        std::vector<uint64_t>& edges) {
  ROX_CHECK(batch.k <= shape_.link_neighbours);
  ROX_RETURN_IF_ERROR(start_finding(batch));
  ROX_CUDA_TRY(cudaMemcpyAsync(ids_.get(), stages_[stage_at_].ids.get(),
                               batch.row_count * sizeof(uint32_t), cudaMemcpyHostToDevice,
                               stream_.get()));
  ROX_RETURN_IF_ERROR(stage_sent());
  const size_t answers = batch.row_count * batch.k;
  ROX_CUDA_TRY(start_link({answers_.get(),
                           answers,
                           ids_.get(),
                           {static_cast<uint32_t>(batch.k), source_count},
                           edges_.get()},
                          stream_.get()));
  return sort_on_device(2 * answers, edges);
}

// Adds what is left of the device's first `count` edges.
Status CudaEngine::sort_on_device(size_t count, std::vector<uint64_t>& edges) {
  if (count == 0) return Status::ok();
  uint64_t* left = nullptr;
  ROX_CUDA_TRY(start_sort(
      {edges_.get(), other_edges_.get(), count, scratch_.get(), scratch_bytes_, left_count_.get()},
      stream_.get(), left));
  ROX_CUDA_TRY(cudaMemcpyAsync(left_count_host_.get(), left_count_.get(), sizeof(int64_t),
                               cudaMemcpyDeviceToHost, stream_.get()));
  ROX_CUDA_TRY(cudaStreamSynchronize(stream_.get()));
  const auto left_count = static_cast<size_t>(*left_count_host_.get());
  ROX_CHECK(left_count <= count);
  if (left_count == 0) return Status::ok();
  ROX_CUDA_TRY(cudaMemcpyAsync(edges_host_.get(), left, left_count * sizeof(uint64_t),
                               cudaMemcpyDeviceToHost, stream_.get()));
  ROX_CUDA_TRY(cudaStreamSynchronize(stream_.get()));
  // All that are none became one, the greatest.
  const size_t there = left_count - (edges_host_.get()[left_count - 1] == kNoEdge ? 1 : 0);
  edges.insert(edges.end(), edges_host_.get(), edges_host_.get() + there);
  return Status::ok();
}

Status CudaEngine::sort_edges(std::vector<uint64_t>& edges) {
  ROX_CHECK(edges.size() <= shape_.edges_max());
  ROX_RETURN_IF_ERROR(use_device());
  std::copy(edges.begin(), edges.end(), edges_host_.get());
  ROX_CUDA_TRY(cudaMemcpyAsync(edges_.get(), edges_host_.get(), edges.size() * sizeof(uint64_t),
                               cudaMemcpyHostToDevice, stream_.get()));
  const size_t count = edges.size();
  edges.clear();
  return sort_on_device(count, edges);
}

Status CudaEngine::prune(size_t row_count, std::span<const PruneNode> nodes, const PruneRule& rule,
                         std::span<const uint32_t>& kept) {
  ROX_CHECK(row_count <= shape_.batch_rows);
  ROX_CHECK(nodes.size() <= kPruneNodesMax);
  ROX_CHECK(rule.max_degree <= shape_.max_degree);
  ROX_CHECK(rule.max_degree <= kPruneDegreeMax);
  ROX_RETURN_IF_ERROR(use_device());
  ROX_RETURN_IF_ERROR(send_codes(row_count, codes_.get(), norms_.get()));
  ROX_RETURN_IF_ERROR(stage_sent());
  ROX_CUDA_TRY(cudaMemcpyAsync(nodes_.get(), nodes.data(), nodes.size_bytes(),
                               cudaMemcpyHostToDevice, stream_.get()));
  ROX_CUDA_TRY(start_prune(
      {shape_.code_type, batch_rows(), nodes_.get(), nodes.size(), rule, answers_.get()},
      stream_.get()));
  const size_t answers = nodes.size() * rule.max_degree;
  ROX_CUDA_TRY(cudaMemcpyAsync(answers_host_.get(), answers_.get(), answers * sizeof(uint32_t),
                               cudaMemcpyDeviceToHost, stream_.get()));
  ROX_CUDA_TRY(cudaStreamSynchronize(stream_.get()));
  kept = {answers_host_.get(), answers};
  return Status::ok();
}

}  // namespace roxanne::accel
