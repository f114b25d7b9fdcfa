// How kernel bodies are written, so that one text runs on a device, and thread by thread on a
// processor (emulated_execution.h), where its index arithmetic and its barriers can be checked.
//
// A body is a template over Exec, which runs a block of threads (or a warp, see prune_node.h):
//
//   exec.each(f)              f(thread) on every thread; between two of them only what follows
//                             makes one thread's writes visible to another
//   exec.sync()               a barrier of all threads
//   PerThread<T>              a register of every thread: register[thread]
//   Shared<T, N>              memory of all threads: exec.load(), exec.store(), and exec.read() for
//   a
//                             value that all threads look at together
//   exec.multiply(c, n, a, b) tensor cores: c[thread].tile[n] += a * b, in the layout of
//                             mma.m16n8k32 (PTX ISA, "Matrix Fragments for mma.m16n8k32")
//   exec.exchange(in, out, m) out[thread] = in[thread ^ m], within a warp
//   exec.sum(values)          of a warp, the same to all
//
// Control flow outside of each() is the same for all threads.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#define ROX_DEVICE __device__ __forceinline__
#define ROX_UNROLL _Pragma("unroll")
#else
#define ROX_DEVICE inline
#define ROX_UNROLL
#endif

namespace roxanne::accel {

inline constexpr int kWarpThreads = 32;

// 16 bytes that move together.
struct alignas(16) Quad {
  uint32_t words[4];
};

// One thread's parts of the matrices of one tensor core operation: A is 16 x 32 codes, B 32 x 8, C
// 16 x 8 sums. With g = lane / 4 and t = lane % 4, codes four to a word:
//   a[0] row g, codes 4t..    a[1] row g + 8, codes 4t..    a[2], a[3] the same rows, codes 16 +
//   4t.. b[0] column g, codes 4t..                               b[1] the same column, codes 16 +
//   4t.. c[0], c[1] row g, columns 2t, 2t + 1                    c[2], c[3] row g + 8, the same
//   columns
struct FragmentA {
  uint32_t words[4];
};
struct FragmentB {
  uint32_t words[2];
};
struct FragmentC {
  int32_t sums[4];
};

}  // namespace roxanne::accel
