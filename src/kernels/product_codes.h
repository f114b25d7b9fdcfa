// Product codes of vectors: which entry of a part's codebook is nearest, for encoders.
#pragma once

#include <cstddef>
#include <cstdint>

namespace roxanne::kernels {

inline constexpr size_t kCodebookEntries = 256;  // of one part: what a byte can name

// The entry nearest to `point` by squared distance; of equal ones the lowest. `entries` is
// transposed: `dim` rows of kCodebookEntries floats. Any alignment.
using NearestEntryFn = uint32_t (*)(const float* point, size_t dim, const float* entries);

}  // namespace roxanne::kernels
