// Candidates are merged by sorting: equal edges come to lie side by side, and one of them stays.
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_select.cuh>

#include <algorithm>

#include "accel/cuda/kernels.h"

namespace roxanne::accel {

cudaError_t sort_scratch_bytes(size_t count, size_t& bytes) {
  const auto items = static_cast<int64_t>(count);
  cub::DoubleBuffer<uint64_t> none;
  size_t sort_bytes = 0, unique_bytes = 0;
  cudaError_t error = cub::DeviceRadixSort::SortKeys(nullptr, sort_bytes, none, items);
  if (error == cudaSuccess) {
    error = cub::DeviceSelect::Unique(nullptr, unique_bytes, none.Current(), none.Alternate(),
                                      static_cast<int64_t*>(nullptr), items);
  }
  bytes = std::max(sort_bytes, unique_bytes);
  return error;
}

cudaError_t start_sort(const SortCall& call, cudaStream_t stream, uint64_t*& left) {
  const auto items = static_cast<int64_t>(call.count);
  cub::DoubleBuffer<uint64_t> keys(call.edges, call.other);
  size_t bytes = call.scratch_bytes;
  const cudaError_t error =
      cub::DeviceRadixSort::SortKeys(call.scratch, bytes, keys, items, 0, 64, stream);
  if (error != cudaSuccess) return error;
  left = keys.Alternate();
  bytes = call.scratch_bytes;
  return cub::DeviceSelect::Unique(call.scratch, bytes, keys.Current(), left, call.left_count,
                                   items, stream);
}

}  // namespace roxanne::accel
