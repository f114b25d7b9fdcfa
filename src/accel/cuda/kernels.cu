#include "accel/cuda/kernels.h"

#include "accel/cuda/device_execution.cuh"
#include "accel/prune_node.h"

namespace roxanne::accel {
namespace {

constexpr int kRowThreads = 256;
constexpr int kPruneWarps = 4;  // of a block

template <class Code, int K>
__global__ void __launch_bounds__(kNearestThreads)
    nearest_kernel(CodeRows rows, const QueryTile* tiles, NearestRequest request, uint32_t* found) {
  using Exec = DeviceExecution<Code, kNearestThreads>;
  __shared__ NearestShared<Exec> shared;
  Exec exec;
  NearestTile<Exec, K> body(exec, shared, rows, tiles[blockIdx.x]);
  body.run(request, found);
}

template <class Code>
__global__ void __launch_bounds__(kPruneWarps* kWarpThreads)
    prune_kernel(CodeRows rows, const PruneNode* nodes, uint32_t node_count, PruneRule rule,
                 uint32_t* kept) {
  using Exec = DeviceExecution<Code, kWarpThreads>;
  __shared__ PruneShared<Exec> shared[kPruneWarps];
  const uint32_t warp = threadIdx.x / kWarpThreads;
  const uint32_t node = blockIdx.x * kPruneWarps + warp;
  if (node >= node_count) return;  // the whole warp
  Exec exec;
  NodePruner<Exec> body(exec, shared[warp], rows, rule);
  body.run(nodes[node], kept + static_cast<size_t>(node) * rule.max_degree);
}

__global__ void gather_kernel(GatherCall call, size_t quad_count) {
  const size_t number = static_cast<size_t>(blockIdx.x) * kRowThreads + threadIdx.x;
  if (number < quad_count) gather_quad(number, call.cell, call.members, call.codes, call.norms);
}

__global__ void link_kernel(LinkCall call) {
  const size_t number = static_cast<size_t>(blockIdx.x) * kRowThreads + threadIdx.x;
  if (number < call.answer_count) link_answer(number, call.found, call.ids, call.rule, call.edges);
}

unsigned blocks_of(size_t count, size_t together) {
  return static_cast<unsigned>((count + together - 1) / together);
}

template <class Code>
void launch_nearest(const NearestCall& call, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(call.tile_count);
  const auto go = [&](auto kernel) {
    kernel<<<blocks, kNearestThreads, 0, stream>>>(call.rows, call.tiles, call.request, call.found);
  };
  if (call.request.k <= 2) return go(nearest_kernel<Code, 2>);
  if (call.request.k <= 4) return go(nearest_kernel<Code, 4>);
  go(nearest_kernel<Code, 16>);
}

template <class Code>
void launch_prune(const PruneCall& call, cudaStream_t stream) {
  prune_kernel<Code>
      <<<blocks_of(call.node_count, kPruneWarps), kPruneWarps * kWarpThreads, 0, stream>>>(
          call.rows, call.nodes, static_cast<uint32_t>(call.node_count), call.rule, call.kept);
}

}  // namespace

cudaError_t check_kernels() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, nearest_kernel<uint8_t, 2>);
}

cudaError_t start_nearest(const NearestCall& call, cudaStream_t stream) {
  if (call.tile_count == 0) return cudaSuccess;
  if (call.type == ScalarType::kU8) {
    launch_nearest<uint8_t>(call, stream);
  } else {
    launch_nearest<int8_t>(call, stream);
  }
  return cudaGetLastError();
}

cudaError_t start_gather(const GatherCall& call, cudaStream_t stream) {
  if (call.row_count == 0) return cudaSuccess;
  const size_t quads = call.row_count * (call.cell.stride / sizeof(Quad));
  gather_kernel<<<blocks_of(quads, kRowThreads), kRowThreads, 0, stream>>>(call, quads);
  return cudaGetLastError();
}

cudaError_t start_link(const LinkCall& call, cudaStream_t stream) {
  if (call.answer_count == 0) return cudaSuccess;
  link_kernel<<<blocks_of(call.answer_count, kRowThreads), kRowThreads, 0, stream>>>(call);
  return cudaGetLastError();
}

cudaError_t start_prune(const PruneCall& call, cudaStream_t stream) {
  if (call.node_count == 0) return cudaSuccess;
  if (call.type == ScalarType::kU8) {
    launch_prune<uint8_t>(call, stream);
  } else {
    launch_prune<int8_t>(call, stream);
  }
  return cudaGetLastError();
}

}  // namespace roxanne::accel
