// Who builds a graph: the processor, or devices. The same graph whoever does.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "accel/device_engines.h"
#include "base/thread_pool.h"
#include "graph/build.h"
#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::accel {

// One build at a time.
class GraphBuilder {
 public:
  virtual ~GraphBuilder() = default;

  // As graph::build_graph. kIoError where a device failed, kUnsupported where there is none: the
  // adjacency is then half done.
  virtual Result<graph::GraphOutcome> build(const graph::Points& points, base::ThreadPool& pool,
                                            const graph::GraphOptions& options,
                                            std::span<const uint32_t> entries,
                                            graph::Adjacency& adjacency,
                                            graph::GraphCounts& counts) = 0;

  // What built the last graph, or would build one: "cpu", "cuda".
  virtual std::string_view accelerator() const = 0;
  // Why that is not what was hoped for; "" where it is.
  virtual std::string_view note() const { return {}; }
};

// kInvalidArgument where kCuda is asked for and cannot be had; the message says why, and what to
// do.
Status check_accelerator(Accelerator wanted);

// kAuto: devices where there are any, and the processor where they fail.
Result<std::unique_ptr<GraphBuilder>> make_graph_builder(Accelerator wanted,
                                                         const DeviceOptions& options);

// The processor's.
std::unique_ptr<GraphBuilder> make_processor_builder();

// How engines come about; make_device_engines() but in tests.
using EngineMaker =
    std::function<Result<Engines>(const graph::Points&, const graph::GraphOptions&)>;
// Builds on engines; where `falls_back`, what they cannot build the processor builds.
struct DeviceBuilderOptions {
  std::string accelerator = "cuda";
  bool falls_back = false;
};
std::unique_ptr<GraphBuilder> make_device_builder(EngineMaker make_engines,
                                                  DeviceBuilderOptions options);

}  // namespace roxanne::accel
