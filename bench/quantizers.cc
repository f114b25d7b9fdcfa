// bench_quantizers: what each code finds for its bytes, and what an estimate costs.
//
//   bench_quantizers FOLDER [--metric l2|ip|cosine] [--rows N] [--queries N] [--only CODE]
//
// FOLDER has base.T and query.T, T one of fbin, f16bin, u8bin, i8bin. R=10 and so on is the share
// of the true ten nearest among the R best estimates of all rows. `block` and `flat` are ns a code,
// `random` reads flat codes at random slots; `query` is us to prepare a query, `encode` us a row.
// Times are of one thread, codes in the cache as far as they fit.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "quantize/product_quantizer.h"
#include "quantize/rabitq_quantizer.h"
#include "quantize/recall_data.h"
#include "quantize/scalar_quantizer.h"

namespace roxanne::bench {
namespace {

using quantize::kBlockCodes;
using quantize::Quantizer;
using quantize::RecallSet;

struct Options {
  std::string folder;
  Metric metric = Metric::kL2;
  size_t row_count = 100'000;
  size_t query_count = 500;
  std::string only;  // a code's name; empty: all
};

// Of this thread's processor time: training and encoding are run once, others may run beside them.
double thread_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

template <typename Work>
double seconds(const Work& work) {
  const double start = thread_seconds();
  work();
  return thread_seconds() - start;
}

struct Codes {
  std::vector<uint8_t> flat;
  base::AlignedBuffer blocks;
  size_t block_count;
};

Codes make_codes(const Quantizer& quantizer, MatrixView rows, double* encode_seconds) {
  Codes codes;
  codes.flat.resize(rows.rows() * quantizer.code_bytes());
  *encode_seconds = seconds([&] { quantizer.encode(rows, codes.flat.data()); });
  codes.block_count = (rows.rows() + kBlockCodes - 1) / kBlockCodes;
  codes.blocks = base::AlignedBuffer(codes.block_count * quantizer.block_bytes());
  for (size_t b = 0; b < codes.block_count; ++b) {
    quantizer.pack_block(
        codes.flat.data() + b * kBlockCodes * quantizer.code_bytes(),
        std::min(kBlockCodes, rows.rows() - b * kBlockCodes),
        reinterpret_cast<uint8_t*>(codes.blocks.data()) + b * quantizer.block_bytes());
  }
  return codes;
}

// The least of a few, since other work only ever slows one down.
struct Cost {
  double block = 1e30, flat = 1e30, random = 1e30, query = 1e30;
  void take(double Cost::*field, double value) { this->*field = std::min(this->*field, value); }
};

void measure(const std::string& name, Quantizer& quantizer, const RecallSet& set) {
  const MatrixView base = set.base().view();
  const double train_seconds = seconds([&] { quantizer.train(base); });
  double encode_seconds = 0;
  const Codes codes = make_codes(quantizer, base, &encode_seconds);
  const auto* blocks = reinterpret_cast<const uint8_t*>(codes.blocks.data());
  std::vector<uint32_t> slots(10'000);
  std::mt19937 random(1);
  for (uint32_t& slot : slots) slot = static_cast<uint32_t>(random() % base.rows());
  std::vector<float> estimates(codes.block_count * kBlockCodes);
  std::array<double, quantize::kRecallCounts.size()> recall = {};
  Cost cost;
  for (size_t q = 0; q < set.queries().rows; ++q) {
    std::unique_ptr<quantize::Estimator> estimator;
    cost.take(&Cost::query, seconds([&] { estimator = quantizer.prepare_query(set.query(q)); }));
    if (q < 20) {
      cost.take(&Cost::flat, seconds([&] {
        estimator->estimate(codes.flat.data(), base.rows(), estimates.data());
      }));
      cost.take(&Cost::random, seconds([&] {
        estimator->estimate_at(codes.flat.data(), slots, estimates.data());
      }));
    }
    cost.take(&Cost::block, seconds([&] {
      estimator->estimate_blocks(blocks, codes.block_count, estimates.data());
    }));
    const auto shares = set.recall(q, estimates);
    for (size_t c = 0; c < shares.size(); ++c) recall[c] += shares[c];
  }
  const auto rows = static_cast<double>(base.rows());
  const auto queries = static_cast<double>(set.queries().rows);
  std::printf("| %-22s | %4zu |", name.c_str(), quantizer.code_bytes());
  for (const double sum : recall) std::printf(" %.3f |", sum / queries);
  std::printf(" %6.2f | %6.1f | %6.1f | %6.1f | %6.2f | %5.1f |\n", cost.block * 1e9 / rows,
              cost.flat * 1e9 / rows, cost.random * 1e9 / static_cast<double>(slots.size()),
              cost.query * 1e6, encode_seconds * 1e6 / rows, train_seconds);
  std::fflush(stdout);
}

// What to measure, made only when it is: some take seconds to make.
struct Candidate {
  std::string name;
  std::function<std::unique_ptr<Quantizer>(size_t dim, Metric metric)> make;
};

std::vector<Candidate> candidates() {
  using Encoding = quantize::RabitqOptions::Encoding;
  std::vector<Candidate> all;
  for (size_t bits = 1; bits <= 8; ++bits) {
    for (const Encoding encoding : {Encoding::kNearScale, Encoding::kBestScale}) {
      const bool is_best = encoding == Encoding::kBestScale;
      if (is_best && (bits == 1 || bits > 5)) continue;  // slow, and by then no better
      const quantize::RabitqOptions options = {.bits = bits, .encoding = encoding};
      all.push_back({"RaBitQ " + std::to_string(bits) + (is_best ? " best scale" : ""),
                     [=](size_t dim, Metric metric) {
                       return std::make_unique<quantize::RabitqQuantizer>(dim, metric, options);
                     }});
    }
  }
  const auto add_product = [&](size_t part_count, size_t bits) {
    const quantize::ProductOptions options = {.part_count = part_count, .bits = bits};
    all.push_back({"PQ" + std::to_string(part_count) + "x" + std::to_string(bits),
                   [=](size_t dim, Metric metric) {
                     return std::make_unique<quantize::ProductQuantizer>(dim, metric, options);
                   }});
  };
  for (const size_t part_count : {16, 24, 32, 40, 56, 64, 72, 96, 104, 112}) {
    add_product(part_count, 8);
  }
  for (const size_t part_count : {32, 64, 128}) add_product(part_count, 4);
  for (const size_t bits : {7, 8}) {
    all.push_back({"SQ" + std::to_string(bits), [=](size_t dim, Metric metric) {
                     return std::make_unique<quantize::ScalarQuantizer>(
                         dim, metric, quantize::ScalarOptions{.bits = bits});
                   }});
  }
  return all;
}

void measure_all(const RecallSet& set, const Options& options) {
  std::printf(
      "| code | B | R=10 | 20 | 50 | 100 | block | flat | random | query | encode | train s |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Candidate& candidate : candidates()) {
    if (!options.only.empty() && candidate.name != options.only) continue;
    measure(candidate.name, *candidate.make(set.base().dim, set.metric()), set);
  }
}

int usage() {
  std::fprintf(stderr,
               "usage: bench_quantizers FOLDER [--metric l2|ip|cosine] [--rows N] [--queries N] "
               "[--only CODE]\n");
  return 2;
}

int run(int argc, char** argv) {
  Options options;
  if (argc < 2) return usage();
  options.folder = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    const std::optional<Metric> metric = parse_metric(value);
    if (name == "--metric" && metric) {
      options.metric = *metric;
    } else if (name == "--rows") {
      options.row_count = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--queries") {
      options.query_count = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--only") {
      options.only = value;
    } else {
      return usage();
    }
  }
  constexpr std::pair<const char*, ScalarType> kFiles[] = {{"fbin", ScalarType::kF32},
                                                           {"f16bin", ScalarType::kF16},
                                                           {"u8bin", ScalarType::kU8},
                                                           {"i8bin", ScalarType::kI8}};
  for (const auto& [suffix, type] : kFiles) {
    const std::string folder = options.folder + "/";
    auto base = quantize::read_rows(folder + "base." + suffix, type, options.row_count);
    auto queries = quantize::read_rows(folder + "query." + suffix, type, options.query_count);
    if (!base || !queries) continue;
    measure_all(RecallSet(std::move(*base), std::move(*queries), options.metric), options);
    return 0;
  }
  std::fprintf(stderr, "bench_quantizers: no base and query files in %s\n", options.folder.c_str());
  return 1;
}

}  // namespace
}  // namespace roxanne::bench

int main(int argc, char** argv) { return roxanne::bench::run(argc, argv); }
