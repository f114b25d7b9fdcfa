// The devices of this machine, and engines on all of them.
#include <cuda_runtime_api.h>

#include <algorithm>

#include "accel/cuda/cuda_engine.h"
#include "accel/cuda/kernels.h"
#include "accel/device_engines.h"
#include "accel/engine_shape.h"
#include "base/status_macros.h"

namespace roxanne::accel {
namespace {

constexpr uint64_t kPinnedBytes = 4ull << 30;
// Of a device's free memory; the rest is for the driver and for others.
constexpr double kDeviceShare = 0.9;
// With more, no copy waits for another lane; each takes memory that cells could use.
constexpr size_t kLanesOfDeviceMax = 16;
// Integer tensor cores of this shape (mma.m16n8k32) begin with it.
constexpr int kMajorLeast = 8;

Status driver_problem(cudaError_t error) {
  (void)cudaGetLastError();
  if (error == cudaErrorNoDevice) return Status::unsupported("there is no CUDA device here");
  int driver = 0, runtime = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return Status::unsupported("there is no CUDA driver here");
  const auto version = [](int number) {
    return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
  };
  if (error == cudaErrorInsufficientDriver) {
    return Status::unsupported("the CUDA driver is too old: it knows CUDA " + version(driver) +
                               ", this program needs " + version(runtime));
  }
  return Status::unsupported(std::string("CUDA cannot be used: ") + cudaGetErrorString(error));
}

// Numbers of the devices that can be used; says what is wrong where none can.
Result<std::vector<int>> usable_devices() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return driver_problem(error);
  std::vector<int> devices;
  std::string why = "there is no CUDA device here";
  for (int device = 0; device < count; ++device) {
    int major = 0, minor = 0;
    const bool is_known =
        cudaSetDevice(device) == cudaSuccess &&
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
        cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) == cudaSuccess;
    if (is_known && major >= kMajorLeast && check_kernels() == cudaSuccess) {
      devices.push_back(device);
      continue;
    }
    (void)cudaGetLastError();
    why = "CUDA device " + std::to_string(device) + " has compute capability " +
          std::to_string(major) + "." + std::to_string(minor) +
          ", for which this program holds no kernels";
  }
  if (devices.empty()) return Status::unsupported(why);
  return devices;
}

}  // namespace

bool has_devices_built_in() { return true; }

Status device_status() { return usable_devices().status(); }

Result<Engines> make_device_engines(const graph::Points& points, const graph::GraphOptions& build,
                                    const DeviceOptions& options) {
  ROX_ASSIGN_OR_RETURN(const std::vector<int> devices, usable_devices());
  size_t lanes = std::max<size_t>(1, build.thread_count);
  if (options.lanes_max != 0) lanes = std::min(lanes, options.lanes_max);
  lanes = std::min(lanes, devices.size() * kLanesOfDeviceMax);
  const EngineShape wanted = wanted_shape(points, build);
  const uint64_t pinned =
      options.pinned_memory_bytes == 0 ? kPinnedBytes : options.pinned_memory_bytes;
  Engines engines;
  Status last;
  // Fewer lanes where memory is short.
  for (; lanes > 0; lanes /= 2) {
    engines.clear();
    for (size_t i = 0; i < lanes; ++i) {
      const int device = devices[i % devices.size()];
      const size_t lanes_of_device = (lanes - i % devices.size() - 1) / devices.size() + 1;
      size_t free_bytes = 0, all_bytes = 0;
      last = cuda_status(cudaSetDevice(device), "choosing a device");
      if (last.is_ok())
        last = cuda_status(cudaMemGetInfo(&free_bytes, &all_bytes), "asking for memory");
      if (!last.is_ok()) return last;
      // What the lanes before took is no longer free.
      const size_t lanes_left = lanes_of_device - i / devices.size();
      uint64_t device_bytes =
          static_cast<uint64_t>(kDeviceShare * static_cast<double>(free_bytes)) / lanes_left;
      if (options.device_memory_bytes != 0) {
        device_bytes = std::min(device_bytes, options.device_memory_bytes / lanes_of_device);
      }
      auto shape = fit_shape(wanted, {device_bytes, pinned / lanes}, batch_rows_least(build));
      if (!shape.is_ok()) {
        last = shape.status();
        break;
      }
      auto engine = CudaEngine::create(device, *shape);
      if (!engine.is_ok()) {
        last = engine.status();
        break;
      }
      engines.push_back(std::move(engine).value());
    }
    if (engines.size() == lanes) return engines;
  }
  return last;
}

}  // namespace roxanne::accel
