// Which builder is made, and what it does when devices are not there, or fail.
#include "accel/graph_builder.h"

#include <gtest/gtest.h>

#include "accel/emulated_engine.h"
#include "accel/engine_shape.h"
#include "graph/test_points.h"

namespace roxanne::accel {
namespace {

const graph::TestRows& rows() {
  static const graph::TestRows made = graph::clustered_rows(900, 12, 1, 20);
  return made;
}

graph::GraphOptions small_leaves() {
  graph::GraphOptions options;
  options.partition.leaf_points_max = 64;
  options.partition.leaf_points_min = 8;
  return options;
}

EngineMaker emulated(size_t calls) {
  return [calls](const graph::Points& points, const graph::GraphOptions& build) -> Result<Engines> {
    Engines engines;
    EngineShape shape = wanted_shape(points, build);
    shape.batch_rows = 3000;
    auto engine = std::make_unique<EmulatedEngine>(shape);
    engine->fail_after(calls);
    engines.push_back(std::move(engine));
    return engines;
  };
}

std::vector<std::vector<uint32_t>> built_by(GraphBuilder& builder) {
  const graph::Points points(rows().view(), Metric::kL2);
  graph::Adjacency adjacency(points.count(), 32);
  graph::GraphCounts counts;
  base::ThreadPool pool(0);
  const std::vector<uint32_t> entries = {0};
  const auto outcome = builder.build(points, pool, small_leaves(), entries, adjacency, counts);
  std::vector<std::vector<uint32_t>> lists;
  if (!outcome.is_ok()) return lists;
  for (uint32_t node = 0; node < points.count(); ++node) {
    const auto list = adjacency.neighbours(node);
    lists.emplace_back(list.begin(), list.end());
  }
  return lists;
}

TEST(GraphBuilderTest, DevicesAndTheProcessorBuildTheSameGraph) {
  const auto processor = make_processor_builder();
  const auto device = make_device_builder(emulated(SIZE_MAX), {});
  const auto expected = built_by(*processor);
  EXPECT_EQ(expected.size(), 900u);
  EXPECT_EQ(built_by(*device), expected);
  EXPECT_EQ(processor->accelerator(), "cpu");
  EXPECT_EQ(device->accelerator(), "cuda");
  EXPECT_EQ(device->note(), "");
}

TEST(GraphBuilderTest, TheProcessorBuildsWhatAFailingDeviceLeaves) {
  const auto expected = built_by(*make_processor_builder());
  for (const size_t calls : {0u, 2u, 20u}) {
    const auto builder = make_device_builder(emulated(calls), {.falls_back = true});
    EXPECT_EQ(built_by(*builder), expected) << calls;
    EXPECT_EQ(builder->accelerator(), "cpu");
    EXPECT_NE(builder->note().find("told to fail"), std::string_view::npos) << builder->note();
    const auto strict = make_device_builder(emulated(calls), {});
    EXPECT_TRUE(built_by(*strict).empty());
  }
}

TEST(GraphBuilderTest, NoEnginesAreAnErrorOrTheProcessor) {
  const EngineMaker none = [](const graph::Points&, const graph::GraphOptions&) -> Result<Engines> {
    return Status::io_error("CUDA: taking device memory: out of memory");
  };
  EXPECT_TRUE(built_by(*make_device_builder(none, {})).empty());
  const auto builder = make_device_builder(none, {.falls_back = true});
  EXPECT_EQ(built_by(*builder).size(), 900u);
  EXPECT_EQ(builder->note(),
            "CUDA: taking device memory: out of memory; the graph was built on the processor");
}

// This holds with and without CUDA in the program: what it says must fit what it can do.
TEST(GraphBuilderTest, AskingForCudaIsAnErrorWhereThereIsNone) {
  const Status usable = device_status();
  const auto cuda = make_graph_builder(Accelerator::kCuda, {});
  const auto automatic = make_graph_builder(Accelerator::kAuto, {});
  const auto cpu = make_graph_builder(Accelerator::kCpu, {});
  ASSERT_TRUE(automatic.is_ok());
  ASSERT_TRUE(cpu.is_ok());
  EXPECT_EQ((*cpu)->accelerator(), "cpu");
  EXPECT_EQ((*cpu)->note(), "");
  EXPECT_EQ(cuda.is_ok(), usable.is_ok());
  if (usable.is_ok()) return;
  EXPECT_EQ(cuda.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(cuda.status().message().find(usable.message()), std::string::npos);
  EXPECT_EQ((*automatic)->accelerator(), "cpu");
  // Who has no CUDA in the program did not hope for it.
  EXPECT_EQ((*automatic)->note().empty(), !has_devices_built_in());
  EXPECT_EQ(built_by(**automatic).size(), 900u);
}

TEST(EngineShapeTest, StaysWithinItsBudget) {
  const EngineShape wanted = {.dim = 128,
                              .code_type = ScalarType::kU8,
                              .batch_rows = 1u << 18,
                              .cell_rows = 1u << 20,
                              .k_max = 10,
                              .link_neighbours = 2,
                              .max_degree = 32};
  constexpr size_t kLeast = 2000;
  EngineShape smallest = wanted;
  smallest.batch_rows = kLeast;
  smallest.cell_rows = 0;
  const EngineBudget least = {device_bytes_of(smallest), pinned_bytes_of(smallest)};
  for (const uint64_t more : {0u, 1u, 1000u, 1u << 20, 1u << 25, 1u << 28, 1u << 31}) {
    for (const bool is_pinned_short : {false, true}) {
      const EngineBudget budget = {least.device_bytes + more,
                                   least.pinned_bytes + (is_pinned_short ? 0 : more)};
      const auto shape = fit_shape(wanted, budget, kLeast);
      ASSERT_TRUE(shape.is_ok()) << shape.status().to_string();
      EXPECT_LE(device_bytes_of(*shape), budget.device_bytes);
      EXPECT_LE(pinned_bytes_of(*shape), budget.pinned_bytes);
      EXPECT_GE(shape->batch_rows, kLeast);
      EXPECT_LE(shape->batch_rows, wanted.batch_rows);
      EXPECT_LE(shape->cell_rows, wanted.cell_rows);
      if (more == 1u << 31 && !is_pinned_short) {
        EXPECT_EQ(shape->batch_rows, wanted.batch_rows);
        EXPECT_EQ(shape->cell_rows, wanted.cell_rows);
      }
    }
  }
  EXPECT_EQ(fit_shape(wanted, {least.device_bytes - 1, least.pinned_bytes}, kLeast).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(fit_shape(wanted, {least.device_bytes, least.pinned_bytes - 1}, kLeast).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace roxanne::accel
