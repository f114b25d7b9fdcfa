// Runs kernel bodies (accel/execution.h) on a CUDA device.
#pragma once

#include <type_traits>

#include "accel/execution.h"

namespace roxanne::accel {

template <class Code, int kThreads>
class DeviceExecution {
 public:
  template <class T>
  class PerThread {
   public:
    __device__ __forceinline__ T& operator[](int) { return value_; }
    __device__ __forceinline__ const T& operator[](int) const { return value_; }

   private:
    T value_;
  };

  template <class T, size_t N>
  struct Shared {
    T values[N];
  };

  template <class F>
  __device__ __forceinline__ void each(const F& f) {
    f(static_cast<int>(threadIdx.x) % kThreads);
  }
  __device__ __forceinline__ void sync() {
    if constexpr (kThreads == kWarpThreads) {
      __syncwarp();
    } else {
      __syncthreads();
    }
  }

  template <class T, size_t N>
  __device__ __forceinline__ T load(const Shared<T, N>& memory, int, size_t i) {
    return memory.values[i];
  }
  template <class T, size_t N>
  __device__ __forceinline__ T read(const Shared<T, N>& memory, size_t i) {
    return memory.values[i];
  }
  template <size_t N>
  __device__ __forceinline__ uint32_t load_word(const Shared<Quad, N>& memory, int, size_t i,
                                                size_t word) {
    return memory.values[i].words[word];
  }
  template <class T, size_t N>
  __device__ __forceinline__ void store(Shared<T, N>& memory, int, size_t i, T value) {
    memory.values[i] = value;
  }

  template <class Sums>
  __device__ __forceinline__ void multiply(PerThread<Sums>& sums, int n,
                                           const PerThread<FragmentA>& a,
                                           const PerThread<FragmentB>& b) {
    int32_t(&c)[4] = sums[0].tile[n].sums;
    const uint32_t(&x)[4] = a[0].words;
    const uint32_t(&y)[2] = b[0].words;
    if constexpr (std::is_same_v<Code, uint8_t>) {
      asm volatile(
          "mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
          "{%0,%1,%2,%3};"
          : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
          : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    } else {
      asm volatile(
          "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
          "{%0,%1,%2,%3};"
          : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
          : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    }
  }

  // Of lists as accel/nearest_tile.h has them.
  template <class List>
  __device__ __forceinline__ void exchange(const PerThread<List>& in, PerThread<List>& out,
                                           int mask) {
    constexpr int kSize = sizeof(List::distances) / sizeof(int32_t);
    ROX_UNROLL
    for (int i = 0; i < kSize; ++i) {
      out[0].distances[i] = __shfl_xor_sync(~0u, in[0].distances[i], mask);
      out[0].rows[i] = __shfl_xor_sync(~0u, in[0].rows[i], mask);
    }
  }
  __device__ __forceinline__ int32_t sum(const PerThread<int32_t>& values) {
    return __reduce_add_sync(~0u, values[0]);
  }

  __device__ __forceinline__ static int32_t dot_add(uint32_t a, uint32_t b, int32_t sum) {
    if constexpr (std::is_same_v<Code, uint8_t>) {
      return static_cast<int32_t>(__dp4a(a, b, static_cast<uint32_t>(sum)));
    } else {
      return __dp4a(static_cast<int32_t>(a), static_cast<int32_t>(b), sum);
    }
  }
};

}  // namespace roxanne::accel
