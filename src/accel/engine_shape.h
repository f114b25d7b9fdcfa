// How large an engine may be: what its buffers take of a device's memory and of the host's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accel/engine.h"
#include "graph/build.h"
#include "graph/points.h"

namespace roxanne::accel {

// Of one engine.
struct EngineBudget {
  uint64_t device_bytes = 0;
  uint64_t pinned_bytes = 0;  // host memory that the device reads and writes by itself
};

uint64_t device_bytes_of(const EngineShape& shape);
uint64_t pinned_bytes_of(const EngineShape& shape);

// What a build has use for: batches that fill a device, and room for the cells that are to be
// expected.
EngineShape wanted_shape(const graph::Points& points, const graph::GraphOptions& options);

// The largest shape, at most `wanted`, that stays within a budget; batches come first.
// kInvalidArgument, with how much it takes, where not even `batch_rows_least` rows do.
Result<EngineShape> fit_shape(const EngineShape& wanted, const EngineBudget& budget,
                              size_t batch_rows_least);

}  // namespace roxanne::accel
