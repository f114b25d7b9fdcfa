// Memory, streams and events of CUDA, given back when they go; and its errors as Status.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>
#include <utility>

#include "roxanne/status.h"

namespace roxanne::accel {

inline Status cuda_status(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return Status::ok();
  return Status::io_error(std::string("CUDA: ") + what + ": " + cudaGetErrorString(error));
}

#define ROX_CUDA_TRY(call) ROX_RETURN_IF_ERROR(::roxanne::accel::cuda_status((call), #call))

// An array of plain values, on the device or, pinned, on the host.
template <class T, bool kPinned>
class CudaArray {
 public:
  CudaArray() = default;
  ~CudaArray() {
    if (data_ == nullptr) return;
    (void)(kPinned ? cudaFreeHost(data_) : cudaFree(data_));
  }
  CudaArray(const CudaArray&) = delete;
  CudaArray& operator=(const CudaArray&) = delete;

  // Once. `count` 0 takes nothing.
  Status allocate(size_t count) {
    if (count == 0) return Status::ok();
    void* memory = nullptr;
    const size_t bytes = count * sizeof(T);
    const cudaError_t error =
        kPinned ? cudaHostAlloc(&memory, bytes, cudaHostAllocPortable) : cudaMalloc(&memory, bytes);
    if (error != cudaSuccess) {
      (void)cudaGetLastError();  // running out of memory is not an error of later calls
      return cuda_status(error, kPinned ? "pinning host memory" : "taking device memory");
    }
    data_ = static_cast<T*>(memory);
    return Status::ok();
  }
  T* get() const { return data_; }

 private:
  T* data_ = nullptr;
};
template <class T>
using DeviceArray = CudaArray<T, false>;
template <class T>
using PinnedArray = CudaArray<T, true>;

class CudaStream {
 public:
  CudaStream() = default;
  ~CudaStream() {
    if (stream_ != nullptr) (void)cudaStreamDestroy(stream_);
  }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  Status create() {
    return cuda_status(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
                       "making a stream");
  }
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class CudaEvent {
 public:
  CudaEvent() = default;
  ~CudaEvent() {
    if (event_ != nullptr) (void)cudaEventDestroy(event_);
  }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  Status create() {
    return cuda_status(
        cudaEventCreateWithFlags(&event_, cudaEventDisableTiming | cudaEventBlockingSync),
        "making an event");
  }
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace roxanne::accel
