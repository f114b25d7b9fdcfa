// Builds the same graph on devices and on the processor, says whether they are equal to the bit,
// and where the time went. One JSON object a line.
//
//   gpu_build ROWS [--dim D] [--threads N] [--device-memory BYTES] [--pinned-memory BYTES]
//             [--no-compare]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "accel/device_build.h"
#include "accel/device_engines.h"
#include "bench/gpu/synthetic_rows.h"
#include "bench/gpu/timed_engine.h"
#include "graph/random_ids.h"

namespace roxanne::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Arguments {
  SyntheticShape shape;
  size_t threads = base::processor_count();
  accel::DeviceOptions device;
  bool compares = true;
};

[[noreturn]] void usage() {
  std::fprintf(stderr,
               "usage: gpu_build ROWS [--dim D] [--threads N] [--device-memory BYTES] "
               "[--pinned-memory BYTES] [--no-compare]\n");
  std::exit(2);
}

uint64_t number(const char* text) {
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0' || value == 0) usage();
  return value;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  if (argc < 2) usage();
  arguments.shape.rows = number(argv[1]);
  for (int i = 2; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--no-compare") {
      arguments.compares = false;
      continue;
    }
    if (i + 1 == argc) usage();
    const uint64_t value = number(argv[++i]);
    if (option == "--dim") {
      arguments.shape.dim = value;
    } else if (option == "--threads") {
      arguments.threads = value;
    } else if (option == "--device-memory") {
      arguments.device.device_memory_bytes = value;
    } else if (option == "--pinned-memory") {
      arguments.device.pinned_memory_bytes = value;
    } else {
      usage();
    }
  }
  return arguments;
}

struct Built {
  graph::Adjacency adjacency;
  graph::GraphCounts counts;
  double seconds = 0;
  std::map<std::string, double> phases;  // wall seconds
};

graph::GraphOptions graph_options(const Arguments& arguments, Built& built) {
  graph::GraphOptions options;
  options.prune.fill = true;
  options.leaf_neighbours = 2;
  options.thread_count = arguments.threads;
  const auto last = std::make_shared<Clock::time_point>(Clock::now());
  options.advance = [last, &built](const char* phase, double) {
    built.phases[phase] += seconds_since(*last);
    *last = Clock::now();
    return true;
  };
  return options;
}

std::vector<uint32_t> entries_of(size_t count) {
  return graph::random_ids(static_cast<uint32_t>(count), std::min<size_t>(count, 512), 9);
}

void print(const char* accelerator, const Arguments& arguments, const Built& built) {
  const auto rows = static_cast<double>(arguments.shape.rows);
  std::printf(
      "{\"accelerator\":\"%s\",\"rows\":%zu,\"dim\":%zu,\"seconds\":%.3f,"
      "\"vectors_per_second\":%.0f",
      accelerator, arguments.shape.rows, arguments.shape.dim, built.seconds, rows / built.seconds);
  for (const auto& [phase, seconds] : built.phases) {
    std::printf(",\"%s_seconds\":%.3f", phase.c_str(), seconds);
  }
  std::printf(
      ",\"partition_distances\":%llu,\"leaf_distances\":%llu,\"candidates\":%llu,"
      "\"edges\":%llu}\n",
      static_cast<unsigned long long>(built.counts.partition_distances),
      static_cast<unsigned long long>(built.counts.leaf_distances),
      static_cast<unsigned long long>(built.counts.candidates),
      static_cast<unsigned long long>(built.counts.edges));
  std::fflush(stdout);
}

void print(const EngineTimes& times, const Arguments& arguments, const Built& built, size_t lanes) {
  // Calls of lanes overlap: a kind's share of the lanes' time, and rates over the whole build.
  const double lane_seconds = built.seconds * static_cast<double>(lanes);
  const auto share = [&](const std::atomic<uint64_t>& us) {
    return static_cast<double>(us) / 1e6 / lane_seconds;
  };
  const auto rate = [&](const std::atomic<uint64_t>& count) {
    return static_cast<double>(count) / built.seconds;
  };
  const double operations =
      2.0 * static_cast<double>(accel::row_stride(arguments.shape.dim)) * rate(times.distances);
  std::printf(
      "{\"lanes\":%zu,\"load_share\":%.3f,\"nearest_share\":%.3f,\"link_share\":%.3f,"
      "\"sort_share\":%.3f,\"prune_share\":%.3f,\"distances_per_second\":%.4g,"
      "\"int8_operations_per_second\":%.4g,\"to_device_bytes_per_second\":%.4g,"
      "\"to_host_bytes_per_second\":%.4g}\n",
      lanes, share(times.load_us), share(times.nearest_us), share(times.link_us),
      share(times.sort_us), share(times.prune_us), rate(times.distances), operations,
      rate(times.bytes_to_device), rate(times.bytes_to_host));
  std::fflush(stdout);
}

Result<Built> on_devices(const graph::Points& points, const Arguments& arguments,
                         base::ThreadPool& pool) {
  Built built{graph::Adjacency(points.count(), 32), {}, 0, {}};
  const auto begin = Clock::now();
  const graph::GraphOptions options = graph_options(arguments, built);
  auto engines = accel::make_device_engines(points, options, arguments.device);
  if (!engines.is_ok()) return engines.status();
  EngineTimes times;
  accel::Engines timed;
  for (auto& engine : *engines) {
    timed.push_back(std::make_unique<TimedEngine>(std::move(engine), times));
  }
  const auto outcome = accel::build_on_engines(points, pool, options, entries_of(points.count()),
                                               timed, built.adjacency, built.counts);
  if (!outcome.is_ok()) return outcome.status();
  built.seconds = seconds_since(begin);
  print("cuda", arguments, built);
  print(times, arguments, built, timed.size());
  return built;
}

Built on_processor(const graph::Points& points, const Arguments& arguments,
                   base::ThreadPool& pool) {
  Built built{graph::Adjacency(points.count(), 32), {}, 0, {}};
  const auto begin = Clock::now();
  const graph::GraphOptions options = graph_options(arguments, built);
  (void)build_graph(points, pool, options, entries_of(points.count()), built.adjacency,
                    built.counts);
  built.seconds = seconds_since(begin);
  print("cpu", arguments, built);
  return built;
}

// Nodes whose lists are not the same.
size_t differences(const graph::Adjacency& a, const graph::Adjacency& b) {
  size_t count = 0;
  for (uint32_t node = 0; node < a.node_count(); ++node) {
    const auto one = a.neighbours(node), other = b.neighbours(node);
    count += !std::equal(one.begin(), one.end(), other.begin(), other.end());
  }
  return count;
}

int run(const Arguments& arguments) {
  const Status usable = accel::device_status();
  if (!usable.is_ok()) {
    std::fprintf(stderr, "gpu_build: %s\n", usable.message().c_str());
    return 1;
  }
  base::ThreadPool pool(arguments.threads - 1);
  const base::AlignedBuffer rows = synthetic_rows(arguments.shape, pool, arguments.threads);
  const graph::Points points(
      MatrixView(ScalarType::kU8, rows.data(), arguments.shape.rows, arguments.shape.dim),
      Metric::kL2);
  const auto device = on_devices(points, arguments, pool);
  if (!device.is_ok()) {
    std::fprintf(stderr, "gpu_build: %s\n", device.status().message().c_str());
    return 1;
  }
  if (!arguments.compares) return 0;
  const Built processor = on_processor(points, arguments, pool);
  const size_t different = differences(device->adjacency, processor.adjacency);
  std::printf("{\"equal\":%s,\"different_nodes\":%zu,\"times_faster\":%.2f}\n",
              different == 0 ? "true" : "false", different, processor.seconds / device->seconds);
  return different == 0 ? 0 : 1;
}

}  // namespace
}  // namespace roxanne::bench

int main(int argc, char** argv) { return roxanne::bench::run(roxanne::bench::parse(argc, argv)); }
