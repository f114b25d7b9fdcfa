// The table of each instruction set, for dispatch.cc alone, and what their files share.
#pragma once

#include "kernels/distance.h"

// Unrolls the loop that follows, so that an array of sums lives in registers at any -O level.
#if defined(__clang__)
#define ROX_UNROLL _Pragma("unroll")
#else
#define ROX_UNROLL _Pragma("GCC unroll 16")
#endif

// Helpers that take arrays of sums by reference are only free of memory traffic when inlined.
#define ROX_INLINE inline __attribute__((always_inline))

namespace roxanne::kernels {

extern const KernelTable kScalarTable;
#if defined(__x86_64__)
extern const KernelTable kAvx2Table;
extern const KernelTable kAvx512Table;
#elif defined(__aarch64__)
extern const KernelTable kNeonTable;
#endif

}  // namespace roxanne::kernels
