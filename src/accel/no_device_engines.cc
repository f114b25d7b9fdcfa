// For builds without CUDA.
#include "accel/device_engines.h"

namespace roxanne::accel {

bool has_devices_built_in() { return false; }

Status device_status() {
  return Status::unsupported("this build of roxanne has no CUDA in it (ROX_CUDA)");
}

Result<Engines> make_device_engines(const graph::Points&, const graph::GraphOptions&,
                                    const DeviceOptions&) {
  return device_status();
}

}  // namespace roxanne::accel
