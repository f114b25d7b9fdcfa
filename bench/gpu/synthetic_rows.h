// Rows of u8 for measuring: as many as wanted, made fast, and not as far from real ones as noise
// is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"

namespace roxanne::bench {

struct SyntheticShape {
  size_t rows = 0;
  size_t dim = 128;
  // Of the surface that rows lie near: what the local intrinsic dimension comes to, about.
  size_t latent_dim = 16;
  size_t clusters = 4096;
  uint64_t seed = 1;
};

// Each row is a point near one of many centres on a plane of latent_dim dimensions, put into dim
// dimensions, with a little noise, rounded. The same rows on any number of threads.
base::AlignedBuffer synthetic_rows(const SyntheticShape& shape, base::ThreadPool& pool,
                                   size_t thread_count);

}  // namespace roxanne::bench
