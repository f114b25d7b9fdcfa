// The kernels, as calls that put them on a stream. Pointers are the device's.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "accel/batch.h"
#include "accel/nearest_tile.h"
#include "accel/row_kernels.h"
#include "roxanne/types.h"

namespace roxanne::accel {

// Whether this program holds kernels for the current device.
cudaError_t check_kernels();

struct NearestCall {
  ScalarType type;
  CodeRows rows;
  const QueryTile* tiles;
  size_t tile_count;
  NearestRequest request;
  uint32_t* found;
};
cudaError_t start_nearest(const NearestCall& call, cudaStream_t stream);

struct GatherCall {
  CodeRows cell;
  const uint32_t* members;
  size_t row_count;
  uint8_t* codes;
  int32_t* norms;
};
cudaError_t start_gather(const GatherCall& call, cudaStream_t stream);

struct LinkCall {
  const uint32_t* found;
  size_t answer_count;
  const uint32_t* ids;
  LinkRule rule;
  uint64_t* edges;
};
cudaError_t start_link(const LinkCall& call, cudaStream_t stream);

struct PruneCall {
  ScalarType type;
  CodeRows rows;
  const PruneNode* nodes;
  size_t node_count;
  PruneRule rule;
  uint32_t* kept;
};
cudaError_t start_prune(const PruneCall& call, cudaStream_t stream);

// Edges in ascending order, each once. Both arrays have room for `count`; what is left is in one of
// them, `left`, and how many at `*left_count`.
struct SortCall {
  uint64_t* edges;
  uint64_t* other;
  size_t count;
  void* scratch;
  size_t scratch_bytes;
  int64_t* left_count;
};
// Scratch that so many take.
cudaError_t sort_scratch_bytes(size_t count, size_t& bytes);
cudaError_t start_sort(const SortCall& call, cudaStream_t stream, uint64_t*& left);

}  // namespace roxanne::accel
