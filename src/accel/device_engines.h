// Engines on the devices of this machine. In a build without CUDA there are none.
#pragma once

#include <cstdint>

#include "accel/device_build.h"
#include "graph/build.h"
#include "graph/points.h"

namespace roxanne::accel {

struct DeviceOptions {
  uint64_t device_memory_bytes = 0;  // of each device; 0 = most of what is free
  uint64_t pinned_memory_bytes = 0;  // of the host, for all engines; 0 = 4 GiB
  size_t lanes_max = 0;              // engines of all devices together; 0 = as threads ask for
};

// Whether this program has code for devices at all.
bool has_devices_built_in();

// Whether there is a device that can be used. kUnsupported says why not: built without CUDA, no
// device, a driver that is too old.
Status device_status();

// Engines for a build, spread over all devices: as many as options.thread_count, where memory
// allows. kUnsupported as above; kInvalidArgument where memory is too small, kIoError where it
// cannot be had.
Result<Engines> make_device_engines(const graph::Points& points, const graph::GraphOptions& build,
                                    const DeviceOptions& options);

}  // namespace roxanne::accel
