// An engine on a CUDA device: buffers of one lane, and a stream of its own. The host's part of a
// batch is sent from one of two stages, so that the next is filled while it is on its way.
#pragma once

#include "accel/cuda/cuda_memory.h"
#include "accel/engine.h"

namespace roxanne::accel {

class CudaEngine final : public Engine {
 public:
  // kIoError where memory cannot be had.
  static Result<std::unique_ptr<Engine>> create(int device, const EngineShape& shape);

  const EngineShape& shape() const override { return shape_; }
  Stage stage() override;
  Status load_cell(size_t first, size_t count) override;
  Status nearest(const NearestBatch& batch, std::span<const uint32_t>& found) override;
  Status link(const NearestBatch& batch, uint32_t source_count,
              std::vector<uint64_t>& edges) override;
  Status sort_edges(std::vector<uint64_t>& edges) override;
  Status prune(size_t row_count, std::span<const PruneNode> nodes, const PruneRule& rule,
               std::span<const uint32_t>& kept) override;

 private:
  struct StageMemory {
    PinnedArray<uint8_t> codes;
    PinnedArray<int32_t> norms;
    PinnedArray<uint32_t> members;
    PinnedArray<uint32_t> ids;
    CudaEvent sent;
  };

  CudaEngine(int device, const EngineShape& shape);
  Status allocate();
  Status use_device();
  Status send_codes(size_t count, uint8_t* codes, int32_t* norms);
  Status stage_sent();
  Status start_finding(const NearestBatch& batch);
  Status sort_on_device(size_t count, std::vector<uint64_t>& edges);
  CodeRows batch_rows() const;
  CodeRows cell_rows() const;

  const int device_;
  const EngineShape shape_;
  const size_t stride_;
  const size_t answers_max_;
  size_t scratch_bytes_ = 0;

  CudaStream stream_;
  StageMemory stages_[2];
  int stage_at_ = 0;
  bool is_stage_free_ = true;  // whether what was sent from it has arrived

  DeviceArray<uint8_t> codes_, cell_codes_, scratch_;
  DeviceArray<int32_t> norms_, cell_norms_;
  DeviceArray<uint32_t> members_, ids_, answers_;
  DeviceArray<QueryTile> tiles_;
  DeviceArray<PruneNode> nodes_;
  DeviceArray<uint64_t> edges_, other_edges_;
  DeviceArray<int64_t> left_count_;
  PinnedArray<uint32_t> answers_host_;
  PinnedArray<uint64_t> edges_host_;
  PinnedArray<int64_t> left_count_host_;
};

}  // namespace roxanne::accel
