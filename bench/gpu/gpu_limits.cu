// What one device can do at most, measured: tensor cores on 8-bit integers and bf16, its memory,
// and the way to the host. One JSON object.
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kThreads = 256, kRounds = 4096, kChains = 8;
constexpr size_t kBytes = size_t{1} << 30;

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "gpu_limits: %s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

__global__ void int8_kernel(int32_t* out) {
  int32_t c[kChains][4] = {};
  const uint32_t a = threadIdx.x, b = blockIdx.x;
  for (int round = 0; round < kRounds; ++round) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) {
      asm volatile(
          "mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
          "{%0,%1,%2,%3};"
          : "+r"(c[i][0]), "+r"(c[i][1]), "+r"(c[i][2]), "+r"(c[i][3])
          : "r"(a), "r"(a), "r"(b), "r"(b), "r"(a), "r"(b));
    }
  }
  int32_t sum = 0;
  for (int i = 0; i < kChains; ++i) sum += c[i][0] + c[i][1] + c[i][2] + c[i][3];
  out[blockIdx.x * kThreads + threadIdx.x] = sum;
}

__global__ void bf16_kernel(float* out) {
  float c[kChains][4] = {};
  const uint32_t a = threadIdx.x, b = blockIdx.x;
  for (int round = 0; round < kRounds; ++round) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) {
      asm volatile(
          "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
          "{%8,%9}, {%0,%1,%2,%3};"
          : "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3])
          : "r"(a), "r"(a), "r"(b), "r"(b), "r"(a), "r"(b));
    }
  }
  float sum = 0;
  for (int i = 0; i < kChains; ++i) sum += c[i][0] + c[i][1] + c[i][2] + c[i][3];
  out[blockIdx.x * kThreads + threadIdx.x] = sum;
}

// Seconds of the fastest of a few runs.
template <class Work>
double seconds(const Work& work) {
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "events");
  check(cudaEventCreate(&end), "events");
  float best = 1e30f;
  for (int i = 0; i < 5; ++i) {
    check(cudaEventRecord(begin), "events");
    work();
    check(cudaEventRecord(end), "events");
    check(cudaEventSynchronize(end), "running");
    check(cudaGetLastError(), "running");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin, end), "events");
    if (ms < best) best = ms;
  }
  return best / 1000;
}

}  // namespace

int main() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), "there is no CUDA device that can be used");
  const int blocks = properties.multiProcessorCount * 8;
  void *device, *other, *host;
  check(cudaMalloc(&device, kBytes), "device memory");
  check(cudaMalloc(&other, kBytes), "device memory");
  check(cudaMallocHost(&host, kBytes), "pinned memory");
  const double operations = 1.0 * blocks * (kThreads / 32) * kRounds * kChains * 2 * 16 * 8;
  const double int8 = 32 * operations / seconds([&] {
                        int8_kernel<<<blocks, kThreads>>>(static_cast<int32_t*>(device));
                      });
  const double bf16 = 16 * operations / seconds([&] {
                        bf16_kernel<<<blocks, kThreads>>>(static_cast<float*>(device));
                      });
  const auto copied = [&](void* to, const void* from, cudaMemcpyKind kind) {
    return static_cast<double>(kBytes) /
           seconds([&] { check(cudaMemcpyAsync(to, from, kBytes, kind), "copying"); });
  };
  std::printf(
      "{\"device\":\"%s\",\"int8_operations_per_second\":%.4g,"
      "\"bf16_operations_per_second\":%.4g,\"memory_bytes_per_second\":%.4g,"
      "\"to_device_bytes_per_second\":%.4g,\"to_host_bytes_per_second\":%.4g}\n",
      properties.name, int8, bf16, 2 * copied(other, device, cudaMemcpyDeviceToDevice),
      copied(device, host, cudaMemcpyHostToDevice), copied(host, device, cudaMemcpyDeviceToHost));
  return 0;
}
