// How many of the true neighbours a scan of codes finds, on the sample in the repository, on
// vectors made up, and where it is at hand on the data that the published figures are of.
#include <gtest/gtest.h>

#include <cstdlib>

#include "quantize/choose.h"
#include "quantize/random.h"
#include "quantize/recall_data.h"

namespace roxanne::quantize {
namespace {

struct Expected {
  QuantizerSpec spec;
  // Of recall among the kRecallCounts best estimates: what was measured, less a few hundredths.
  std::array<double, kRecallCounts.size()> floors;
};

constexpr QuantizerSpec rabitq_spec(size_t bits) { return {QuantizerKind::kRabitq, bits, 0}; }
constexpr QuantizerSpec product_spec(size_t part_count, size_t bits) {
  return {QuantizerKind::kProduct, bits, part_count};
}
constexpr QuantizerSpec scalar_spec(size_t bits) { return {QuantizerKind::kScalar, bits, 0}; }

std::string name_of(const QuantizerSpec& spec) {
  constexpr const char* kNames[] = {"product", "rabitq", "scalar"};
  return std::string(kNames[static_cast<size_t>(spec.kind)]) + " " +
         std::to_string(spec.part_count) + " x " + std::to_string(spec.bits);
}

std::array<double, kRecallCounts.size()> mean_recall(const Quantizer& quantizer,
                                                     const RecallSet& set) {
  const size_t rows = set.base().rows;
  std::vector<uint8_t> codes(rows * quantizer.code_bytes());
  quantizer.encode(set.base().view(), codes.data());
  const size_t block_count = (rows + kBlockCodes - 1) / kBlockCodes;
  std::vector<uint8_t> blocks(block_count * quantizer.block_bytes());
  for (size_t b = 0; b < block_count; ++b) {
    quantizer.pack_block(codes.data() + b * kBlockCodes * quantizer.code_bytes(),
                         std::min(kBlockCodes, rows - b * kBlockCodes),
                         blocks.data() + b * quantizer.block_bytes());
  }
  std::vector<float> estimates(block_count * kBlockCodes);
  std::array<double, kRecallCounts.size()> sums = {};
  for (size_t q = 0; q < set.queries().rows; ++q) {
    quantizer.prepare_query(set.query(q))
        ->estimate_blocks(blocks.data(), block_count, estimates.data());
    const auto shares = set.recall(q, estimates);
    for (size_t c = 0; c < sums.size(); ++c) sums[c] += shares[c];
  }
  for (double& sum : sums) sum /= static_cast<double>(set.queries().rows);
  return sums;
}

void check(const RecallSet& set, const std::vector<Expected>& all, size_t train_rows_max) {
  for (const Expected& expected : all) {
    const auto quantizer = make_quantizer(expected.spec, set.base().dim, set.metric(), 1);
    quantizer->train(set.base().view().slice(0, std::min(train_rows_max, set.base().rows)));
    const auto recall = mean_recall(*quantizer, set);
    for (size_t c = 0; c < recall.size(); ++c) {
      EXPECT_GE(recall[c], expected.floors[c])
          << name_of(expected.spec) << ", " << kRecallCounts[c] << " best estimates";
    }
    std::printf("  %-18s %4zu B  %.3f %.3f %.3f %.3f\n", name_of(expected.spec).c_str(),
                quantizer->code_bytes(), recall[0], recall[1], recall[2], recall[3]);
  }
}

std::optional<RecallSet> load(const std::string& folder, const std::string& suffix, ScalarType type,
                              Metric metric, size_t row_max, size_t query_max) {
  auto base = read_rows(folder + "/base." + suffix, type, row_max);
  auto queries = read_rows(folder + "/query." + suffix, type, query_max);
  if (!base || !queries) return std::nullopt;
  return RecallSet(std::move(*base), std::move(*queries), metric);
}

std::string data_folder() {
  const char* folder = std::getenv("ROX_DATA");  // NOLINT(concurrency-mt-unsafe): one thread
  return folder != nullptr ? folder : std::string(ROX_SOURCE_DIR) + "/../shared/data";
}

TEST(Recall, OfTheSample) {
  const auto set = load(std::string(ROX_SOURCE_DIR) + "/sample", "f16bin", ScalarType::kF16,
                        Metric::kInnerProduct, 6000, 100);
  ASSERT_TRUE(set.has_value());
  check(*set,
        {
            {rabitq_spec(1), {0.681, 0.866, 0.973, 0.983}},
            {rabitq_spec(2), {0.825, 0.956, 0.985, 0.985}},
            {rabitq_spec(4), {0.925, 0.97, 0.985, 0.985}},
            {product_spec(32, 8), {0.647, 0.84, 0.969, 0.984}},
            {product_spec(64, 4), {0.613, 0.815, 0.945, 0.971}},
            {scalar_spec(7), {0.952, 0.97, 0.985, 0.985}},
            {scalar_spec(8), {0.963, 0.97, 0.985, 0.985}},
        },
        6000);
}

// Rows of a cluster are equally far but for noise, which makes this hard. Under each metric, of a
// dimension that is no multiple of anything.
TEST(Recall, OfMadeUpClusters) {
  constexpr size_t kDim = 90, kClusters = 40;
  Random random(12);
  std::vector<float> centres(kClusters * kDim);
  for (float& value : centres) value = 1 + random.gaussian();
  const auto draw = [&](size_t count) {
    std::vector<float> values;
    for (size_t i = 0; i < count; ++i) {
      const float* centre = centres.data() + random.below(kClusters) * kDim;
      for (size_t d = 0; d < kDim; ++d) values.push_back(centre[d] + 0.6f * random.gaussian());
    }
    return rows_of_floats(values, kDim);
  };
  const Rows base = draw(4000), queries = draw(60);
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    SCOPED_TRACE(metric_name(metric));
    check(RecallSet(base, queries, metric),
          {
              {rabitq_spec(1), {0.34, 0.56, 0.9, 0.99}},
              {rabitq_spec(4), {0.83, 0.98, 0.99, 0.99}},
              {product_spec(30, 8), {0.5, 0.76, 0.965, 0.99}},
              {scalar_spec(8), {0.94, 0.99, 0.99, 0.99}},
          },
          4000);
  }
}

// Nothing where the set is not at hand, nor where every load and store is checked: too slow.
std::optional<RecallSet> load_large(const std::string& name, const std::string& suffix,
                                    ScalarType type, Metric metric, size_t query_max) {
#ifdef ROX_ASSERTIONS
  constexpr bool kIsChecked = true;
#else
  constexpr bool kIsChecked = false;
#endif
  if (kIsChecked) return std::nullopt;
  return load(data_folder() + "/" + name, suffix, type, metric, 100'000, query_max);
}

TEST(Recall, OfSift) {
  const auto set = load_large("sift-1m", "u8bin", ScalarType::kU8, Metric::kL2, 500);
  if (!set) GTEST_SKIP() << "no sift-1m in " << data_folder() << ", or a checked build";
  check(*set,
        {
            {rabitq_spec(1), {0.419, 0.603, 0.818, 0.92}},
            {rabitq_spec(2), {0.671, 0.875, 0.979, 0.988}},
            {rabitq_spec(4), {0.876, 0.978, 0.99, 0.99}},
            {product_spec(32, 8), {0.769, 0.948, 0.989, 0.99}},
            {product_spec(64, 4), {0.665, 0.865, 0.974, 0.989}},
            {scalar_spec(8), {1, 1, 1, 1}},
        },
        20'000);
}

TEST(Recall, OfPassages) {
  const auto set =
      load_large("docs-minilm", "f16bin", ScalarType::kF16, Metric::kInnerProduct, 200);
  if (!set) GTEST_SKIP() << "no docs-minilm in " << data_folder() << ", or a checked build";
  check(*set,
        {
            {rabitq_spec(1), {0.691, 0.87, 0.975, 0.989}},
            {rabitq_spec(4), {0.933, 0.98, 0.99, 0.99}},
            {product_spec(32, 8), {0.574, 0.762, 0.919, 0.967}},
            {product_spec(64, 4), {0.572, 0.764, 0.911, 0.967}},
            {scalar_spec(8), {0.971, 0.98, 0.99, 0.99}},
        },
        20'000);
}

}  // namespace
}  // namespace roxanne::quantize
