#include "accel/graph_builder.h"

#include <utility>

#include "base/status_macros.h"

namespace roxanne::accel {
namespace {

class ProcessorBuilder final : public GraphBuilder {
 public:
  explicit ProcessorBuilder(std::string note) : note_(std::move(note)) {}

  Result<graph::GraphOutcome> build(const graph::Points& points, base::ThreadPool& pool,
                                    const graph::GraphOptions& options,
                                    std::span<const uint32_t> entries, graph::Adjacency& adjacency,
                                    graph::GraphCounts& counts) override {
    return graph::build_graph(points, pool, options, entries, adjacency, counts);
  }
  std::string_view accelerator() const override { return "cpu"; }
  std::string_view note() const override { return note_; }

 private:
  const std::string note_;
};

class DeviceBuilder final : public GraphBuilder {
 public:
  DeviceBuilder(EngineMaker make_engines, DeviceBuilderOptions options)
      : make_engines_(std::move(make_engines)), options_(std::move(options)) {}

  Result<graph::GraphOutcome> build(const graph::Points& points, base::ThreadPool& pool,
                                    const graph::GraphOptions& options,
                                    std::span<const uint32_t> entries, graph::Adjacency& adjacency,
                                    graph::GraphCounts& counts) override {
    note_.clear();
    auto built = build_on_devices(points, pool, options, entries, adjacency, counts);
    if (built.is_ok() || !options_.falls_back) return built;
    note_ = built.status().message() + "; the graph was built on the processor";
    // Every node is set anew, and candidates that a spill kept are found again.
    counts = {};
    return graph::build_graph(points, pool, options, entries, adjacency, counts);
  }
  std::string_view accelerator() const override {
    return note_.empty() ? std::string_view(options_.accelerator) : "cpu";
  }
  std::string_view note() const override { return note_; }

 private:
  Result<graph::GraphOutcome> build_on_devices(const graph::Points& points, base::ThreadPool& pool,
                                               const graph::GraphOptions& options,
                                               std::span<const uint32_t> entries,
                                               graph::Adjacency& adjacency,
                                               graph::GraphCounts& counts) {
    ROX_ASSIGN_OR_RETURN(Engines engines, make_engines_(points, options));
    return build_on_engines(points, pool, options, entries, engines, adjacency, counts);
  }

  const EngineMaker make_engines_;
  const DeviceBuilderOptions options_;
  std::string note_;
};

}  // namespace

Status check_accelerator(Accelerator wanted) {
  if (wanted != Accelerator::kCuda) return Status::ok();
  const Status usable = device_status();
  if (usable.is_ok()) return usable;
  return Status::invalid_argument("the accelerator cuda cannot be used: " + usable.message() +
                                  "; auto and cpu build on the processor");
}

std::unique_ptr<GraphBuilder> make_processor_builder() {
  return std::make_unique<ProcessorBuilder>("");
}

std::unique_ptr<GraphBuilder> make_device_builder(EngineMaker make_engines,
                                                  DeviceBuilderOptions options) {
  return std::make_unique<DeviceBuilder>(std::move(make_engines), std::move(options));
}

Result<std::unique_ptr<GraphBuilder>> make_graph_builder(Accelerator wanted,
                                                         const DeviceOptions& options) {
  ROX_RETURN_IF_ERROR(check_accelerator(wanted));
  if (wanted == Accelerator::kCpu || !has_devices_built_in()) return make_processor_builder();
  const bool is_auto = wanted == Accelerator::kAuto;
  const Status usable = is_auto ? device_status() : Status::ok();
  if (!usable.is_ok()) {
    return std::unique_ptr<GraphBuilder>(std::make_unique<ProcessorBuilder>(
        usable.message() + "; the graph was built on the processor"));
  }
  return make_device_builder(
      [options](const graph::Points& points, const graph::GraphOptions& build) {
        return make_device_engines(points, build, options);
      },
      {.accelerator = "cuda", .falls_back = is_auto});
}

}  // namespace roxanne::accel
