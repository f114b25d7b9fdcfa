// Codes as seen from a node: estimates are unbiased, and as near as RaBitQ's bound says.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "quantize/random.h"
#include "quantize/residual_code.h"
#include "quantize/subspace.h"
#include "quantize/test_values.h"
#include "roxanne/types.h"

namespace roxanne::quantize {
namespace {

constexpr size_t kCodeDim = 64;
constexpr size_t kBlock = kernels::kNeighbourBlock;

double l2(const float* a, const float* b) {
  double sum = 0;
  for (size_t d = 0; d < kCodeDim; ++d) sum += std::pow(double{a[d]} - b[d], 2);
  return sum;
}

// Mean and root mean square error of estimates, in units of |r| |q - x|.
struct Error {
  double mean = 0;
  double rms = 0;
};

Error measure(size_t bits, Metric metric) {
  Random random(11);
  const Subspace all = Subspace::train(nullptr, 0, kCodeDim, {.dim_min = kCodeDim, .seed = 3});
  ResidualEncoder encoder(all.dim(), bits);
  ResidualQuery query(all.dim(), bits);
  Error error;
  constexpr size_t kRounds = 200;
  for (size_t round = 0; round < kRounds; ++round) {
    const auto node = gaussian(random, kCodeDim, 3);
    std::vector<float> projected_node(all.dim()), projected(all.dim());
    all.project(node.data(), projected_node.data());
    std::vector<uint8_t> block(encoder.block_bytes());
    float adds[kBlock], scales[kBlock];
    std::vector<std::vector<float>> neighbours;
    for (size_t i = 0; i < kBlock; ++i) {
      auto neighbour = gaussian(random, kCodeDim, 1);
      double along = 0;
      for (size_t d = 0; d < kCodeDim; ++d) {
        along += double{neighbour[d]} * node[d];
        neighbour[d] += node[d];
      }
      all.project(neighbour.data(), projected.data());
      const bool is_l2 = metric == Metric::kL2;
      const double constant = is_l2 ? l2(node.data(), neighbour.data()) : -along;
      encoder.encode(projected_node.data(), projected.data(),
                     {static_cast<float>(constant), is_l2 ? 2.0f : 1.0f}, i, block.data(), adds,
                     scales);
      neighbours.push_back(neighbour);
    }
    auto target = gaussian(random, kCodeDim, 1);
    for (size_t d = 0; d < kCodeDim; ++d) target[d] += node[d];
    std::vector<int8_t> bytes;
    all.project_query(target.data(), bytes, projected.data());
    query.prepare(projected.data());
    const auto distance = [&](const float* to) {
      if (metric == Metric::kL2) return l2(target.data(), to);
      double dot = 0;
      for (size_t d = 0; d < kCodeDim; ++d) dot += double{target[d]} * to[d];
      return -dot;
    };
    float estimates[kBlock];
    uint32_t places[kBlock];
    const float base = static_cast<float>(distance(node.data()));
    const size_t count = kernels::kernels().select_estimates(
        {block.data(), adds, scales}, query.estimate(), base,
        std::numeric_limits<float>::infinity(), estimates, places);
    EXPECT_EQ(count, kBlock);
    for (size_t i = 0; i < count; ++i) {
      const float* neighbour = neighbours[places[i]].data();
      const double unit = std::sqrt(l2(neighbour, node.data()) * l2(target.data(), node.data())) *
                          (metric == Metric::kL2 ? 2 : 1);
      const double off = (estimates[i] - distance(neighbour)) / unit;
      error.mean += off / (kRounds * kBlock);
      error.rms += off * off / (kRounds * kBlock);
    }
  }
  error.rms = std::sqrt(error.rms);
  return error;
}

TEST(ResidualCode, EstimatesAreUnbiasedAndBetterWithEachBit) {
  // RaBitQ with one bit is off by about 0.75 / sqrt(dim) = 0.094; each further bit halves that.
  const double most[] = {0, 0.105, 0.05, 0.028, 0.016};
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    for (size_t bits = 1; bits <= kernels::kResidualBitsMax; ++bits) {
      const Error error = measure(bits, metric);
      EXPECT_LT(error.rms, most[bits]) << bits << " bits, " << metric_name(metric);
      EXPECT_LT(std::abs(error.mean), 0.004) << bits << " bits, " << metric_name(metric);
    }
  }
}

TEST(SubspaceTest, IsOrthonormalAndHoldsTheEnergy) {
  constexpr size_t kWide = 200, kRows = 3000, kReal = 20;
  Random random(5);
  // Differences that lie in 20 directions, nearly.
  const auto directions = gaussian(random, kReal * kWide, 1);
  std::vector<float> differences(kRows * kWide);
  double total = 0;
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kReal; ++j) {
      const float along = random.gaussian();
      for (size_t d = 0; d < kWide; ++d) {
        differences[i * kWide + d] += along * directions[j * kWide + d];
      }
    }
    for (size_t d = 0; d < kWide; ++d) {
      differences[i * kWide + d] += 0.1f * random.gaussian();
      total += std::pow(differences[i * kWide + d], 2);
    }
  }
  const Subspace space =
      Subspace::train(differences.data(), kRows, kWide, {.energy = 0.9f, .dim_min = 16, .seed = 1});
  EXPECT_GE(space.dim(), 16u);
  EXPECT_LE(space.dim(), 32u);
  const auto basis = space.basis();
  for (size_t i = 0; i < space.dim(); ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double dot = 0;
      for (size_t d = 0; d < kWide; ++d) dot += double{basis[i * kWide + d]} * basis[j * kWide + d];
      const bool is_padding = i == j && dot == 0;
      EXPECT_NEAR(dot, i == j && !is_padding ? 1 : 0, 1e-4);
    }
  }
  double kept = 0;
  std::vector<float> projected(space.dim());
  for (size_t i = 0; i < kRows; ++i) {
    space.project(differences.data() + i * kWide, projected.data());
    for (const float value : projected) kept += double{value} * value;
  }
  EXPECT_GT(kept / total, 0.88);
  EXPECT_LE(kept / total, 1.001);
}

TEST(SubspaceTest, QueriesInBytesAreNearlyTheSame) {
  Random random(6);
  const Subspace space = Subspace::train(nullptr, 0, 100, {.dim_min = 128, .seed = 2});
  EXPECT_EQ(space.dim(), 112u);  // 100 and padding
  const auto vector = gaussian(random, 100, 50);
  std::vector<float> exact(space.dim()), quick(space.dim());
  std::vector<int8_t> bytes;
  space.project(vector.data(), exact.data());
  space.project_query(vector.data(), bytes, quick.data());
  double norm = 0, off = 0;
  for (size_t i = 0; i < space.dim(); ++i) {
    norm += double{exact[i]} * exact[i];
    off += std::pow(double{exact[i]} - quick[i], 2);
  }
  EXPECT_LT(std::sqrt(off / norm), 0.015);
}

}  // namespace
}  // namespace roxanne::quantize
